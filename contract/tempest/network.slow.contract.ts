/** All of tempest's network tests and scenarios; it looks into real servers over ssh, at floating IPs. */
import { prove } from './prove.ts'

// Tempest sleeps ten seconds before each subnet that it deletes: many classes at once wait together.
prove({ services: ['network', 'scenario'], looksInside: true, concurrency: 6 })
