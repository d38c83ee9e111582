/** Quota's loops over claims, on PostgreSQL. */
import { testDatabases } from '#platform/db/testing.ts'
import { loopsOfClaims, quotaControllerSuites } from './controllers-suite.ts'

for (const database of testDatabases().filter(({ name }) => name === 'postgresql'))
  quotaControllerSuites(database, loopsOfClaims)
