/** All of tempest's volume tests. */
import { prove } from './prove.ts'

prove({ services: ['volume'], concurrency: 4 })
