/** What a cloud has on this host, found by its marks: to assert that nothing is left, and to clean after a failure. */
import { execFileSync } from 'node:child_process'
import { namesOf } from '../../packages/server/src/drivers/linux-net/names.ts'
import { loopsOf, type Loop } from '../../packages/server/src/drivers/volumes/loops.ts'
import { mountsOf } from '../../packages/server/src/drivers/volumes/mounts.ts'
import { labels } from '../../packages/server/src/services/workloads/ports.ts'

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

const containersOf = (cloudId: string): string[] =>
  linesOf(run('docker', 'ps', '-aq', '--filter', `label=${labels.cloud}=${cloudId}`))
const imagesOf = (cloudId: string): string[] =>
  linesOf(run('docker', 'images', '-q', '--no-trunc', '--filter', `label=${labels.cloud}=${cloudId}`))

function namespacesOf(cloudId: string): string[] {
  const { networkNamespacePrefix, routerNamespacePrefix } = namesOf({ cloud: cloudId })
  const names = linesOf(run('ip', 'netns', 'list')).map((line) => line.split(' ')[0]!)
  return names.filter((name) => name.startsWith(networkNamespacePrefix) || name.startsWith(routerNamespacePrefix))
}

function linksOf(cloudId: string): string[] {
  const links = JSON.parse(run('ip', '-json', 'link', 'show') || '[]') as { ifname: string; ifalias?: string }[]
  const { aliasPrefix } = namesOf({ cloud: cloudId })
  return links.filter(({ ifalias }) => ifalias?.startsWith(aliasPrefix) === true).map(({ ifname }) => ifname)
}

const tablesOf = (cloudId: string): string[] =>
  linesOf(run('nft', 'list', 'tables')).filter((line) => line.endsWith(` ${namesOf({ cloud: cloudId }).table}`))

/** The mark is a part of every path that the kernel shows of a volume. */
const folderOf = (cloudId: string): string => `/quaystone-${namesOf({ cloud: cloudId }).tag}/`
const volumeLoopsOf = (cloudId: string): Loop[] => loopsOf().filter(({ file }) => file.includes(folderOf(cloudId)))

/** Containers, namespaces, links and volumes' devices; the names say of which kind each is. */
export function leftoversOf(cloudId: string): string[] {
  const containers = containersOf(cloudId).map((id) => `container ${id}`)
  const namespaces = namespacesOf(cloudId).map((name) => `namespace ${name}`)
  const links = linksOf(cloudId).map((name) => `link ${name}`)
  return [...containers, ...namespaces, ...links, ...volumeLoopsOf(cloudId).map(({ device }) => `loop ${device}`)]
}

/** A namespace takes its links along some moments after it is deleted: one that went meanwhile is deleted too. */
function deleteLink(name: string): void {
  try {
    run('ip', 'link', 'delete', name)
  } catch (error) {
    if (!(error as Error).message.includes('Cannot find device')) throw error
  }
}

function sweepVolumes(cloudId: string): void {
  const mounts = mountsOf().filter(({ point }) => `${point}/`.includes(folderOf(cloudId)))
  for (const { point } of mounts.toReversed()) run('umount', point)
  for (const { device } of volumeLoopsOf(cloudId)) run('losetup', '--detach', device)
}

/** Removes everything; the cloud itself must have ended. */
export function sweep(cloudId: string): void {
  const containers = containersOf(cloudId)
  if (containers.length > 0) run('docker', 'rm', '--force', '--volumes', ...containers)
  sweepVolumes(cloudId)
  const images = [...new Set(imagesOf(cloudId))]
  if (images.length > 0) run('docker', 'rmi', '--force', ...images)
  for (const name of namespacesOf(cloudId)) run('ip', 'netns', 'delete', name)
  for (const name of linksOf(cloudId)) deleteLink(name)
  for (const table of tablesOf(cloudId)) run('nft', 'delete', ...table.split(' '))
}
