/** The part of tempest's volume tests that runs each time: every kind of object, and volumes in real servers. */
import { prove } from './prove.ts'

const parts = [
  'admin.test_user_messages',
  'admin.test_volume_quotas',
  'admin.test_volume_services',
  'admin.test_volume_snapshot_quotas_negative',
  'admin.test_volume_type_access',
  'admin.test_volume_types',
  'test_availability_zone',
  'test_extensions',
  'test_image_metadata',
  'test_volume_delete_cascade.VolumesDeleteCascade.test_volume_delete_cascade',
  'test_volume_metadata',
  'test_volume_transfers',
  'test_volumes_actions.VolumesActionsTest.test_(?!volume_upload)',
  'test_volumes_extend.VolumesExtendTest.test_volume_extend$',
  'test_volumes_get',
  'test_volumes_negative',
]

prove({
  services: ['volume'],
  concurrency: 4,
  only: new RegExp(String.raw`^tempest\.api\.volume\.(?:${parts.join('|')})`),
})
