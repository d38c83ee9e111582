/** The few lines that run first in a gated container: find the command, wait at the gate, become the command. */
import type { Command } from './effective-command.ts'

/** Where the container sees its gate. Below /dev, which is a tmpfs: no trace of it gets into a committed image. */
export const gateMountPoint = '/dev/.quaystone'
const busybox = `${gateMountPoint}/busybox`

/**
 * Runs as PID 1 in the container's own environment, user and directory; `exec` then hands PID 1 to the command.
 * - The command is looked up first, as the engine's runtime does it, so that a missing one ends the container with
 *   127 (126: not executable) before any network exists. busybox must not do it: it would run its own applets.
 * - The wait is an `open` of a FIFO, so it costs nothing; only the word `go` ends it. A reader that was let in
 *   by a dead platform reads an empty line and waits again.
 * - TERM and INT end it, for PID 1 has no default actions.
 */
const gateScript = (lostEnv: string[]): string => `set -f
q_fail() { echo "quaystone: exec: \\"$q_name\\": $2" >&2; exit "$1"; }
q_name=$1 q_file=
shift
case $q_name in
*/*) q_file=$q_name ;;
*)
  IFS=:
  for q_dir in $PATH; do
    if [ -f "$q_dir/$q_name" ] && [ -x "$q_dir/$q_name" ]; then q_file=$q_dir/$q_name; break; fi
  done
  unset IFS
esac
[ -n "$q_file" ] || q_fail 127 'executable file not found in $PATH'
[ -e "$q_file" ] || q_fail 127 'no such file or directory'
[ -f "$q_file" ] && [ -x "$q_file" ] || q_fail 126 'permission denied'
trap 'exit 143' TERM INT
until { read -r q_word <${gateMountPoint}/gate; } 2>/dev/null && [ "$q_word" = go ]; do
  [ -p ${gateMountPoint}/gate ] || q_fail 125 'the gate is gone'
done
trap - TERM INT
unset SHLVL PWD OLDPWD
${become(lostEnv)}
`

function become(lostEnv: string[]): string {
  if (lostEnv.length === 0) return 'exec -a "$q_name" "$q_file" "$@"'
  return `exec ${busybox} env ${lostEnv.map(quoted).join(' ')} "$q_file" "$@"`
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`

/** Names that the shell would not pass on as they are: it owns them, or they are no shell names at all. */
const shellOwned = new Set([
  'IFS',
  'OPTIND',
  'PPID',
  'PS1',
  'PS2',
  'PS4',
  'PWD',
  'OLDPWD',
  'SHLVL',
  'LINENO',
  'RANDOM',
  'FUNCNAME',
])
const passesShell = (name: string) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !shellOwned.has(name)

/** `env` is the container's whole environment (image and spec), as `NAME=value`. */
export function gatedCommand(command: Command, env: string[]): Command {
  const lostEnv = env.filter((pair) => !passesShell(pair.split('=', 1)[0] ?? ''))
  return {
    entrypoint: [busybox, 'sh', '-c', gateScript(lostEnv), 'quaystone-gate'],
    command: [...command.entrypoint, ...command.command],
  }
}

/** Whether a process (its argv) is the waiting script, or the runtime's first process just before it. */
export function isWaitingArgv(argv: string[]): boolean {
  if (argv[0] === busybox && argv[1] === 'sh') return true
  return argv[1] === 'init' && /(^|\/)(runc|crun|youki|exe)$/.test(argv[0] ?? '')
}
