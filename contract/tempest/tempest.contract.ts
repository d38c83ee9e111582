/** OpenStack's own test suite: every test on these services' pass lists passes, none of their families is forgotten. */
import { prove } from './prove.ts'

prove({ services: ['identity', 'image', 'compute'] })
