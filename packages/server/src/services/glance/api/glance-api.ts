/** What Glance's handlers receive. */
import type { ImageData } from '../manager/data.ts'
import type { Images } from '../manager/images.ts'
import type { Imports } from '../manager/imports.ts'
import type { Members } from '../manager/members.ts'

export interface GlanceApi {
  images: Images
  data: ImageData
  members: Members
  imports: Imports
  usage(projectId: string): Promise<Record<string, { usage: number; limit: number }>>
}
