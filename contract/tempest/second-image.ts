/** Tempest's filters by image need a second one; a fresh cloud has one. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildSeedImage, findImagePrograms } from '../../packages/server/src/app/seed-image/build.ts'
import { openstack, type Cloud } from '../support/cloud.ts'

export async function addSecondImage(cloud: Cloud): Promise<void> {
  const file = join(cloud.directory, 'second-image.tar')
  const { tar } = await buildSeedImage({ ...findImagePrograms(), dropbear: undefined })
  writeFileSync(file, tar)
  const formats = ['--container-format', 'docker', '--disk-format', 'raw', '--public']
  await openstack(cloud, 'quaystone-admin', 'image', 'create', '--file', file, ...formats, 'busybox-without-ssh')
}
