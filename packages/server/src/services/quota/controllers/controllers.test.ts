/** Quota's loops on SQLite. On PostgreSQL, where a fresh world costs more, they are files of their own. */
import { testDatabases } from '#platform/db/testing.ts'
import { loopsOfClaims, loopsOfProjects, quotaControllerSuites } from './controllers-suite.ts'

for (const database of testDatabases().filter(({ name }) => name === 'sqlite'))
  quotaControllerSuites(database, { ...loopsOfClaims, ...loopsOfProjects })
