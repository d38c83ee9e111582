/** Tempest's tests of image quotas: as DevStack, limits are registered, and data of unknown length may finish once. */
import { openstack, type Cloud } from '../support/cloud.ts'

/** What tempest expects of data whose length it does not say: above the limit only the next upload is refused. */
export const limitsConfiguration = 'glance:\n  unsizedUploads: finish\n'

/** In MiB; a volume of 1 GiB that becomes an image must fit. */
const limits = { image_size_total: 3000, image_stage_total: 1000, image_count_total: 100, image_count_uploading: 100 }

export async function registerImageLimits(cloud: Cloud): Promise<void> {
  for (const [name, limit] of Object.entries(limits)) {
    const where = ['--service', 'glance', '--region', 'RegionOne', '--default-limit', String(limit)]
    await openstack(cloud, 'quaystone-admin', 'registered', 'limit', 'create', ...where, name)
  }
}
