/** Who may import what, as data; .dependency-cruiser.mjs turns it into rules, and each rule has a known-bad fixture. */

/** The real sources, and the fixtures that break each rule once. */
const source = '^(?:packages/server|tools/fixtures/bad-imports)/src'
const testing = [
  String.raw`\.test\.ts$|/testing/|/testing\.ts$`,
  String.raw`-conformance\.ts$|-suite\.ts$|/suite-[^/]*\.ts$`,
  '/drivers/fakes/',
].join('|')
const inSource = (...paths: string[]): string[] => paths.map((path) => `${source}/${path}`)

/** Calls through facades go to a lower level only. DESIGN: "call down, notify up". */
export const levels: Readonly<Record<string, number>> = {
  keystone: 0,
  hosts: 1,
  quota: 1,
  barbican: 1,
  placement: 1,
  swift: 2,
  designate: 2,
  glance: 3,
  neutron: 3,
  cinder: 4,
  workloads: 5,
  nova: 6,
  zun: 6,
  ironic: 6,
  metadata: 7,
  ceilometer: 7,
  aodh: 7,
  heat: 8,
  magnum: 9,
  sahara: 9,
  solum: 9,
  murano: 10,
}

export interface Room {
  readonly name: string
  readonly from: string
  /** Patterns below src/; `$1` is the service or driver that `from` captured. Anything else below src/ is refused. */
  readonly may: readonly string[]
  /** Of these it may take types, and nothing that exists at run time. */
  readonly mayTypes?: readonly string[]
  readonly why: string
}

const ownService = 'services/$1/'
const otherFacades = String.raw`services/[^/]+/facade\.ts$`
const deps = String.raw`services/deps\.ts$`
const paging = String.raw`platform/api-kit/paging\.ts$`
const words = 'platform/(?:errors|ids|clock|log|auth|states|metrics)/'

export const rooms: readonly Room[] = [
  {
    name: 'main-starts-the-commands',
    from: String.raw`main\.ts$`,
    may: ['cli/', 'app/', words],
    why: 'main reads the arguments and hands over.',
  },
  {
    name: 'cli-uses-app',
    from: 'cli/',
    may: ['cli/', 'app/', 'platform/'],
    why: 'Commands start what app builds; they do not build.',
  },
  {
    name: 'api-is-a-sentence',
    from: 'services/([^/]+)/api/',
    why: 'A handler calls one manager; no store, no driver, no HTTP library.',
    may: [
      `${ownService}(?:api|manager|states)/`,
      String.raw`${ownService}facade\.ts$`,
      'platform/(?:api-kit|errors|ids|clock|auth)/',
      deps,
      'engines/',
    ],
    mayTypes: [`${ownService}store/`, otherFacades],
  },
  {
    name: 'managers-see-no-http-sql-docker',
    from: 'services/([^/]+)/manager/',
    why: 'The rules of a service stand on ports, stores and facades.',
    may: [
      `${ownService}(?:manager|store|states)/`,
      String.raw`${ownService}(?:facade|ports)\.ts$`,
      otherFacades,
      deps,
      'engines/',
      words,
      'platform/(?:db|bus)/',
      paging,
    ],
  },
  {
    name: 'controllers-see-no-http',
    from: 'services/([^/]+)/controllers/',
    why: 'A loop observes, plans and acts; no request is near.',
    may: [
      `${ownService}(?:controllers|manager|store|states)/`,
      String.raw`${ownService}(?:facade|ports)\.ts$`,
      otherFacades,
      deps,
      'engines/',
      words,
      'platform/(?:controllers|db|bus)/',
    ],
  },
  {
    name: 'stores-hold-sql-only',
    from: 'services/([^/]+)/store/',
    why: 'A store knows tables and states; the rules live in the manager.',
    may: [
      `${ownService}(?:store|states)/`,
      String.raw`${ownService}(?:facade|ports)\.ts$`,
      otherFacades,
      words,
      'platform/db/',
      paging,
      String.raw`${ownService}manager/model\.ts$`,
    ],
  },
  {
    name: 'states-are-tables',
    from: 'services/([^/]+)/states/',
    why: 'A table of states is data that the store, tests and drawings read.',
    may: [`${ownService}states/`, otherFacades, 'platform/(?:states|errors)/'],
    mayTypes: [String.raw`${ownService}manager/model\.ts$`],
  },
  {
    name: 'facades-and-ports-are-plain',
    from: String.raw`services/([^/]+)/(?:facade|ports)\.ts$`,
    why: 'Others read them: interfaces and plain values.',
    may: [String.raw`services/[^/]+/(?:facade|ports)\.ts$`, 'platform/(?:auth|db|states|errors)/'],
  },
  {
    name: 'drivers-know-ports-only',
    from: 'drivers/([^/]+)/',
    why: 'A driver implements a port; it knows no service.',
    may: ['drivers/$1/', String.raw`services/[^/]+/ports\.ts$`, 'engines/', words, 'platform/bus/'],
  },
  {
    name: 'engines-are-pure',
    from: 'engines/',
    may: ['engines/'],
    why: 'Pure thinking can be proven; anything else cannot.',
  },
  {
    name: 'platform-knows-no-nouns',
    from: 'platform/',
    may: ['platform/', 'engines/'],
    why: 'OpenStack manners, none of its nouns.',
  },
]

/** A library is imported in its home (and in app, which builds everything), so that replacing it touches one folder. */
export const homes: Readonly<Record<string, readonly string[]>> = {
  fastify: ['platform/http/'],
  pg: ['platform/db/'],
  'node:sqlite': ['platform/db/'],
  kysely: [
    'platform/(?:db|states|bus|controllers)/',
    'services/[^/]+/store/',
    String.raw`platform/api-kit/paging\.ts$`,
  ],
  '@nats-io': ['platform/bus/'],
  typebox: ['platform/(?:api-kit|config)/'],
  ajv: ['platform/api-kit/'],
  pino: ['platform/log/'],
  'prom-client': ['platform/metrics/'],
  undici: ['drivers/'],
  'tar-stream': ['drivers/', 'app/seed-image/'],
  yaml: ['platform/config/', 'cli/', 'engines/templates/'],
  commander: ['cli/', String.raw`main\.ts$`],
}

/** Modules of Node that reach outside the process. */
const worldModules =
  'fs|http|https|http2|net|tls|dgram|dns|child_process|cluster|worker_threads|sqlite|os|readline|repl'

interface Rule {
  readonly name: string
  readonly comment: string
  readonly severity: 'error'
  readonly from: object
  readonly to: object
}

const rule = (name: string, comment: string, from: object, to: object): Rule => ({
  name,
  comment,
  severity: 'error',
  from,
  to,
})

function roomRules({ name, from, may, mayTypes = [], why }: Room): Rule[] {
  const origin = { path: `${source}/${from}`, pathNot: testing }
  const strangers = { path: source, pathNot: inSource(...may, ...mayTypes) }
  if (mayTypes.length === 0) return [rule(name, why, origin, strangers)]
  const types = { path: inSource(...mayTypes), pathNot: inSource(...may), dependencyTypesNot: ['type-only'] }
  return [rule(name, why, origin, strangers), rule(`${name}-and-takes-types`, why, origin, types)]
}

const homeRule = ([library, places]: [string, readonly string[]]): Rule => {
  const path = library.startsWith('node:') ? `^(?:node:)?${library.slice(5)}$` : `node_modules/${library}/`
  const home = inSource(...places, 'app/')
  return rule(
    `home-of-${library.replace(/[@:]/g, '')}`,
    `${library} is imported in ${places.join(' and ')} only.`,
    { path: source, pathNot: [...home, testing] },
    { path },
  )
}

const levelRule = ([service, level]: [string, number]): Rule => {
  const above = Object.keys(levels).filter((other) => other !== service && levels[other]! >= level)
  return rule(
    `level-of-${service}`,
    'Facade calls go to a lower level; news goes up as an event.',
    { path: `${source}/services/${service}/`, pathNot: testing },
    { path: `${source}/services/(?:${above.join('|')})/` },
  )
}

/** The highest level has nobody above it and needs no rule. */
const hasAbove = ([service, level]: [string, number]): boolean =>
  Object.entries(levels).some(([other, otherLevel]) => other !== service && otherLevel >= level)

const plainRules: readonly Rule[] = [
  rule(
    'no-cycles',
    'A circle of modules cannot be understood, or loaded, one at a time.',
    { path: source },
    { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
  ),
  rule(
    'everything-resolves',
    'A path that leads nowhere is no rule broken, only a rule not applied.',
    { path: source },
    { couldNotResolve: true },
  ),
  rule(
    'server-stands-alone',
    'The server imports nothing from tests, tools or benchmarks.',
    { path: source },
    { path: '^(?:tools|contract|bench)/', pathNot: source },
  ),
  rule('tests-are-leaves', 'Nobody imports a test.', { path: source }, { path: String.raw`\.test\.ts$` }),
  rule(
    'a-service-is-its-facade',
    'A service sees another only through its facade.',
    { path: `${source}/services/([^/]+)/`, pathNot: testing },
    { path: `${source}/services/[^/]+/`, pathNot: [`${source}/services/$1/`, `${source}/${otherFacades}`] },
  ),
  rule(
    'engines-have-no-io',
    'Engines take all they need as arguments.',
    { path: `${source}/engines/`, pathNot: testing },
    { dependencyTypes: ['core', 'npm', 'npm-dev'] },
  ),
  rule(
    'managers-do-not-reach-out',
    'A manager reaches the world through its ports.',
    { path: `${source}/services/[^/]+/(?:manager|states|api)/`, pathNot: testing },
    { path: `^(?:node:)?(?:${worldModules})(?:/|$)`, dependencyTypesNot: ['type-only'] },
  ),
  rule(
    'api-kit-below-http',
    'Inside the platform the arrow goes one way: http uses api-kit.',
    { path: `${source}/platform/api-kit/`, pathNot: testing },
    { path: `${source}/platform/http/` },
  ),
]

export const rules: readonly Rule[] = [
  ...plainRules,
  ...rooms.flatMap(roomRules),
  ...Object.entries(homes).map(homeRule),
  ...Object.entries(levels).filter(hasAbove).map(levelRule),
]
