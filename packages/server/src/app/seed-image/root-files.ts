/** The files of the built-in image: BusyBox with its applets, accounts, the boot script, an ssh server when found. */
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { bootScript } from './boot-script.ts'
import { sharedLibrariesOf } from './elf.ts'
import type { TarEntry } from './tar-file.ts'

export interface ImagePrograms {
  /** A statically linked BusyBox. */
  readonly busybox: string
  /** Dropbear's server, copied with its libraries; without it the image has no ssh. */
  readonly dropbear: string | undefined
}

const sshBytesMax = 8_000_000
const directories = [
  'bin',
  'dev',
  'etc',
  'etc/dropbear',
  'home',
  'lib',
  'lib64',
  'mnt',
  'proc',
  'root',
  'root/.ssh',
  'run',
  'sbin',
  'sys',
  'tmp',
  'usr',
  'usr/bin',
  'usr/lib',
  'usr/sbin',
  'var',
  'var/log',
  'var/run',
  'www',
]
const modes: Record<string, number> = { tmp: 0o1777, root: 0o700, 'root/.ssh': 0o700 }
const textFiles: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/shells': '/bin/sh\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/os-release': 'ID=quaystone\nNAME="Quaystone built-in image"\n',
  'root/.profile': 'PS1="\\u@\\h:\\w\\$ "\n',
  'www/index.html': 'starting\n',
}

const file = (name: string, content: Buffer, mode = 0o644): TarEntry => ({ name, mode, type: 'file', content })

export function rootFiles(programs: ImagePrograms): TarEntry[] {
  const texts = Object.entries(textFiles).map(([name, text]) => file(name, Buffer.from(text)))
  const ssh = programs.dropbear === undefined ? [] : sshFiles(programs.dropbear)
  const entries = [
    file('bin/busybox', readFileSync(programs.busybox), 0o755),
    ...appletLinks(programs.busybox),
    file('sbin/boot', Buffer.from(bootScript), 0o755),
    // Scripts for cloud images put it before what needs root; here everybody who logs in is root.
    file('bin/sudo', Buffer.from('#!/bin/sh\nexec "$@"\n'), 0o755),
    ...texts,
    ...ssh,
  ]
  return [...directoriesOf(entries), ...entries]
}

/** Docker runs `hostname`, `sh` and the like by path: each applet is a link beside BusyBox. */
function appletLinks(busybox: string): TarEntry[] {
  const applets = execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n')
  return applets
    .filter((applet) => applet !== 'busybox')
    .sort()
    .map((applet) => ({ name: `bin/${applet}`, mode: 0o777, type: 'symlink', target: 'busybox' }))
}

/** Nothing when the libraries of this machine's build are too many: the image is meant to be small. */
function sshFiles(dropbear: string): TarEntry[] {
  const paths = [dropbear, ...sharedLibrariesOf(dropbear)]
  const totalBytes = paths.reduce((sum, path) => sum + statSync(path).size, 0)
  if (totalBytes > sshBytesMax) return []
  const libraries = paths.slice(1).map((path) => file(path.slice(1), readFileSync(path), 0o755))
  return [file('usr/sbin/dropbear', readFileSync(dropbear), 0o755), ...libraries]
}

function directoriesOf(entries: readonly TarEntry[]): TarEntry[] {
  const names = new Set(directories)
  for (const entry of entries) {
    for (let parent = dirname(entry.name); parent !== '.'; parent = dirname(parent)) names.add(parent)
  }
  return [...names].sort().map((name) => ({ name, mode: modes[name] ?? 0o755, type: 'directory' }))
}
