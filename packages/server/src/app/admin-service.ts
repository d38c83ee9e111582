/** The operator's own API below `/admin`: controllers, leaks, routes, levels. Not part of the catalog. */
import { defineRoute, type Route } from '#platform/api-kit/route.ts'
import type { ServiceManifest } from '#platform/api-kit/service.ts'
import type { Runner } from '#platform/controllers/runner.ts'
import type { VolumeLeak } from '#services/cinder/facade.ts'
import type { Facades } from '#services/deps.ts'

interface AdminView {
  runner: Runner
  services: ServiceManifest[]
  facades: Pick<Facades, 'workloads' | 'neutron' | 'cinder'>
}

const view = (id: string, path: string, summary: string, handler: (view: AdminView) => unknown): Route<AdminView> =>
  defineRoute<AdminView>({
    id,
    path,
    summary,
    method: 'GET',
    policy: 'quaystone:admin',
    reply: { status: 200 },
    handler: (admin) => handler(admin),
  })

const named = (leak: VolumeLeak) => ({ ...leak, explanation: `${leak.kind} ${leak.id}: ${leak.explanation}` })

const doctor = async ({ facades }: AdminView): Promise<object> => {
  const [report, network, volumes] = await Promise.all([
    facades.workloads.doctor(),
    facades.neutron.hostLeaks(),
    facades.cinder.volumeLeaks(),
  ])
  const links = network.leaks.map(({ host, kind, name, mark }) => ({
    kind,
    host,
    id: name,
    explanation: `${kind} ${name} bears this cloud's mark (${mark}) and nothing in the cloud wants it`,
  }))
  return {
    ...report,
    leaks: [...report.leaks, ...links, ...volumes.leaks.map(named)],
    hostsSilent: [...new Set([...report.hostsSilent, ...network.silent, ...volumes.silent])],
  }
}

const routes = [
  view('controllers', '/controllers', 'What every loop did and is doing', ({ runner }) => ({
    controllers: runner.status(),
  })),
  view('doctor', '/doctor', "What bears this cloud's mark and belongs to nobody", doctor),
  defineRoute<AdminView>({
    id: 'doctor.reap',
    method: 'POST',
    path: '/doctor/reap',
    summary: "Brings every host's network and volumes in line with the rows now, so that what nobody wants goes",
    policy: 'quaystone:admin',
    reply: { status: 204 },
    handler: async ({ facades }) => {
      await Promise.all([facades.neutron.hostLeaksReap(), facades.cinder.volumeLeaksReap()])
    },
  }),
  view('levels', '/levels', 'Services by level: calls go down only', ({ services }) => ({
    levels: services.map(({ name, level, about }) => ({ name, level, about })),
  })),
  view('routes', '/routes', 'Every route of every service', ({ services }) => ({
    routes: services.flatMap((service) =>
      service.routes.map(({ id, method, path, policy, summary }) => ({
        service: service.name,
        id,
        method,
        path,
        policy,
        summary,
      })),
    ),
  })),
]

/** `bind` completes it once the runner exists: this service looks at all others, so it is built before them. */
export const createAdminService = (): ServiceManifest & { bind(view: AdminView): void } => {
  const bound: Partial<AdminView> = {}
  return {
    name: 'admin',
    about: "The operator's view of the process",
    level: 99,
    catalog: [],
    prefix: '/admin',
    versionPath: '',
    faults: 'plain',
    adminRule: 'quaystone:admin',
    routes,
    migrations: [],
    policies: [{ name: 'quaystone:admin', rule: 'role:admin', about: 'See loops, routes and levels' }],
    create: () => ({ api: bound, facade: {}, controllers: [] }),
    bind: (admin) => {
      Object.assign(bound, admin)
    },
  }
}
