/** Quota's loops over projects and what they hold, on PostgreSQL. */
import { testDatabases } from '#platform/db/testing.ts'
import { loopsOfProjects, quotaControllerSuites } from './controllers-suite.ts'

for (const database of testDatabases().filter(({ name }) => name === 'postgresql'))
  quotaControllerSuites(database, loopsOfProjects)
