/** One name per processor architecture: Docker says `amd64`, Nova `x86_64`, people `x64`. */

const names: Readonly<Record<string, string>> = {
  amd64: 'x86_64',
  x64: 'x86_64',
  'x86-64': 'x86_64',
  arm64: 'aarch64',
  'arm64/v8': 'aarch64',
  arm: 'armv7l',
  'arm/v7': 'armv7l',
  armhf: 'armv7l',
  386: 'i686',
  i386: 'i686',
  x86: 'i686',
  ppc64el: 'ppc64le',
}

/** The name Nova uses. An unknown one is given back in lower case. */
export function canonicalArchitecture(name: string): string {
  const lower = name.toLowerCase()
  return names[lower] ?? lower
}
