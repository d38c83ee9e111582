/** The one schema of the configuration: `quaystone.yaml` in the data directory, then flags. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { T, type Static } from '#platform/api-kit/schema.ts'

const text = (description: string, value?: string) =>
  T.String({ description, ...(value === undefined ? {} : { default: value }) })
const count = (description: string, value: number, minimum = 0) => T.Integer({ description, default: value, minimum })

export const configSchema = T.Object({
  listen: text('Address to listen on', '127.0.0.1'),
  port: count('TCP port of all APIs', 5000),
  publicUrl: T.Optional(text('URL under which clients see this server, when it is behind a proxy')),
  database: T.Optional(text('sqlite:/path or postgresql://…; SQLite in the data directory when absent')),
  sqliteSync: T.Enum(['full', 'normal'], {
    description: 'SQLite: what was answered survives a power cut (full), or a killed process only (normal)',
    default: 'full',
  }),
  nats: T.Optional(text('nats://host:4222 to share a bus between processes; in process when absent')),
  region: text('Region name in the catalog', 'RegionOne'),
  logLevel: text('debug, info, warn or error', 'info'),
  docker: T.Object(
    {
      host: T.Optional(text('Docker Engine: unix:///path or tcp://host:port; found by itself when absent')),
      hostName: T.Optional(text("Name of the local host in Nova and Neutron; the machine's own when absent")),
      address: T.Optional(
        text("IP address where the cloud's other hosts reach this one; found by itself when absent"),
      ),
    },
    { default: {} },
  ),
  keystone: T.Object(
    {
      tokenMinutes: count('Life of a token, in minutes', 60, 1),
      keyRotationHours: count('Age at which the keys of tokens are replaced, in hours', 24, 1),
      expiredWindowSeconds: count('How long `allow_expired` still accepts a token after its end', 172_800),
      cacheSeconds: count('How long a validation is trusted without a look at the database', 300),
      cacheEntriesMax: count('Tokens remembered at most', 10_000, 1),
      listMax: T.Optional(T.Integer({ description: 'Rows of one list at most; all when absent', minimum: 1 })),
      passwordLengthMax: count('Longest password', 4096, 1),
      passwordMinimumAgeDays: count('Days before a password may be changed again', 0),
      changeUponFirstUse: T.Boolean({ description: 'New users must change their password first', default: false }),
      argon2Parallelism: count('Lanes of password hashes', 1, 1),
      passwordRegex: T.Optional(text('Regular expression that new passwords must match')),
      passwordRegexDescription: T.Optional(text('What the user is told when it does not match')),
      passwordExpiresDays: T.Optional(
        T.Integer({ description: 'Days until a password must be changed; never when absent', minimum: 1 }),
      ),
      uniqueLastPasswords: count('How many former passwords may not come back', 0),
      lockoutFailuresMax: T.Optional(
        T.Integer({ description: 'Failed logins that lock a user; none when absent', minimum: 1 }),
      ),
      lockoutSeconds: count('How long a locked user stays locked', 1800),
      maxProjectTreeDepth: count('Levels of projects below a domain', 5, 1),
      limitModel: T.Enum(['flat', 'strict_two_level'], { description: 'Model of unified limits', default: 'flat' }),
      argon2MemoryKiB: count('Memory cost of password hashes, KiB', 19_456, 8),
      argon2Passes: count('Passes of password hashes', 2, 1),
      enforceScope: T.Boolean({ description: 'Refuse tokens whose scope a rule does not name', default: true }),
    },
    { default: {} },
  ),
  workloads: T.Object(
    {
      cpuAllocationRatio: T.Number({
        description: 'Promised virtual CPUs per CPU of a host',
        default: 16,
        minimum: 0.1,
      }),
      ramAllocationRatio: T.Number({
        description: 'Promised memory per memory of a host',
        default: 1.5,
        minimum: 0.1,
      }),
      diskAllocationRatio: T.Number({ description: 'Promised disk per disk of a host', default: 1, minimum: 0.1 }),
      reservedRamMiB: count('Memory of each host kept for itself, MiB', 0),
      startsPerHost: count('Containers that one engine starts at the same time', 6, 1),
    },
    { default: {} },
  ),
  neutron: T.Object(
    {
      privateCidr: text("CIDR of the first boot's private network", '10.77.0.0/22'),
      publicCidr: text("CIDR of the first boot's public network", '172.24.4.0/24'),
      globalMtu: count('MTU of tenant networks before encapsulation', 1500, 576),
    },
    { default: {} },
  ),
  glance: T.Object(
    {
      unsizedUploads: T.Enum(['refuse', 'finish'], {
        description:
          'Image data whose length was not said, when the quota ends on the way: refused there, ' +
          'or finished once, above the limit, as Glance does',
        default: 'refuse',
      }),
    },
    { default: {} },
  ),
  quota: T.Object(
    {
      defaults: T.Record(T.String(), T.Integer({ minimum: -1 }), {
        description: 'Default limit of a resource',
        default: {},
      }),
      historyRowsMax: count('Happenings remembered at most', 100_000, 1),
      historyDays: count('Days that a happening is remembered', 90, 1),
    },
    { default: {} },
  ),
})

export type Config = Static<typeof configSchema>

/** `$XDG_DATA_HOME/quaystone`, else `~/.local/share/quaystone`. */
export const defaultDataDir = (environment: NodeJS.ProcessEnv): string =>
  join(environment.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'quaystone')
