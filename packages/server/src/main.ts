/** The program: reads the command line and hands over to a command. */
import { Command } from 'commander'
import { upCommand } from './cli/up.ts'
import { serveCommand } from './cli/serve.ts'
import { agentCommand } from './cli/agent.ts'
import { hostsCommand } from './cli/hosts.ts'
import { controllersCommand } from './cli/controllers.ts'
import { doctorCommand } from './cli/doctor.ts'
import { quotaCommand } from './cli/quota.ts'
import { readVersion } from './cli/version.ts'
import { downCommand } from './cli/down.ts'
import { failWith } from './cli/fail.ts'

const program = new Command('quaystone')
  .description(
    'An OpenStack-compatible container cloud: Keystone, Glance, Neutron and Nova over Docker, in one process.',
  )
  .version(readVersion())
  .showHelpAfterError('(quaystone --help lists the commands)')
  .addCommand(upCommand())
  .addCommand(downCommand())
  .addCommand(serveCommand())
  .addCommand(agentCommand())
  .addCommand(hostsCommand())
  .addCommand(controllersCommand())
  .addCommand(doctorCommand())
  .addCommand(quotaCommand())
  .addHelpText(
    'after',
    `
Start here:
  $ ./quaystone up            a whole cloud on this machine
  $ ./quaystone test          the whole test suite
  $ ./quaystone bench         figures beside their baselines`,
  )

try {
  await program.parseAsync()
} catch (error) {
  failWith(error)
}
