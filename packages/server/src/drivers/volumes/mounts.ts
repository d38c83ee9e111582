/** Mounts as the kernel lists them, of this process's namespace and of containers'. */
import { readFileSync } from 'node:fs'

export interface Mount {
  point: string
  /** `major:minor`. */
  device: string
  /** What it passes on and takes over: `shared:N`, `master:N`. */
  propagation: string[]
  source: string
}

/** Of a process's namespace; none when the process is gone. The last one on a point is the one that is seen. */
export function mountsOf(pid: number | 'self' = 'self'): Mount[] {
  return parseMounts(readMountInfo(pid))
}

/** `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` */
export function parseMounts(text: string): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = ''] = line.split(' - ')
      const [, , device = '', , point = '', , ...propagation] = before.split(' ')
      return { point: unescape(point), device, propagation, source: unescape(after.split(' ')[1] ?? '') }
    })
}

export const isMounted = (point: string): boolean => mountsOf().some((mount) => mount.point === point)

/** The mount that a path is on. */
export function mountUnder(path: string, mounts = mountsOf()): Mount | undefined {
  const covers = ({ point }: Mount): boolean => point === '/' || path === point || path.startsWith(`${point}/`)
  return mounts
    .filter(covers)
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.point.length >= best.point.length ? mount : best),
      undefined,
    )
}

/** Spaces, tabs, newlines and backslashes are written in octal. */
const unescape = (text: string): string =>
  text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))

function readMountInfo(pid: number | 'self'): string {
  try {
    return readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return ''
    throw error
  }
}
