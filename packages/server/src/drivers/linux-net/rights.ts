/** Says in one sentence what the machine lacks before the first command fails in a dozen. */
import { unavailable } from '#platform/errors/errors.ts'
import type { Shell } from './shell.ts'

const tools = ['ip', 'bridge', 'nft', 'nsenter']

/** Rejects unless this process is root and the kernel's tools are there. Loads br_netfilter where it is a module. */
export async function checkRights(shell: Shell): Promise<void> {
  const missing = (await shell.look(probe))
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  if (process.getuid?.() !== 0)
    throw unavailable(`linux-net needs root; this process runs as user ${process.getuid?.()}`)
  if (missing.length > 0)
    throw unavailable(`linux-net needs ${missing.join(', ')}: apt-get install iproute2 nftables util-linux`)
}

const probe = `for tool in ${tools.join(' ')}; do command -v $tool >/dev/null || echo $tool; done
[ -d /proc/sys/net/bridge ] || modprobe br_netfilter 2>/dev/null || :
`
