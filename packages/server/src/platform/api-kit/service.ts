/** What a service is made of: a manifest that the door, the migrations, the runner and the catalog read. */
import type { Route } from './route.ts'
import type { TSchema } from './schema.ts'
import type { Migration } from '../db/migration.ts'
import type { Controller } from '../controllers/controller.ts'

export type FaultStyle =
  'nova' | 'keystone' | 'neutron' | 'glance' | 'cinder' | 'heat' | 'placement' | 'magnum' | 'plain'

/** A policy rule as upstream names it, in oslo.policy's language, with the scopes its token may have. */
export interface PolicyRule {
  name: string
  rule: string
  scopes?: ('system' | 'domain' | 'project')[]
  about?: string
}

export interface Microversions {
  /** The word in `OpenStack-API-Version: <service> X.Y`. */
  service: string
  legacyHeaders?: string[]
  min: string
  max: string
}

/** `A` is what handlers receive (the service's managers); `F` its facade; `D` what it is created from. */
export interface ServiceManifest<A = any, F = any, D = any> {
  name: string
  about: string
  level: number
  catalog: { type: string; name: string; path: string }[]
  /** `/compute`. */
  prefix: string
  /** `/v2.1`, or empty. */
  versionPath: string
  /** A project id may (or must) follow the version path, as in `/v2.1/{project_id}/servers`. */
  projectInPath?: 'optional' | 'required'
  /** A trailing slash is an empty last id (404), as upstream has it, and not the collection. */
  strictSlash?: boolean
  microversions?: Microversions
  faults: FaultStyle
  /** Of the bodies of refusals, where they are more than the style. */
  faultSchema?: TSchema
  /** The rule behind `ctx.isAdmin`. */
  adminRule: string
  routes: Route<A>[]
  policies: PolicyRule[]
  migrations: Migration[]
  create(deps: D): ServiceInstance<A, F>
}

export interface ServiceInstance<A = any, F = any> {
  api: A
  facade: F
  controllers: Controller<any, any>[]
  /** Makes first-boot rows; idempotent. Runs in level order after migrations. */
  seed?(): Promise<void>
  start?(): Promise<void>
  stop?(): Promise<void>
}

export const defineService = <A, F, D>(manifest: ServiceManifest<A, F, D>): ServiceManifest<A, F, D> => manifest
