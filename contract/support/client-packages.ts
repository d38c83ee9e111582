/** The official programs, as Debian packages them, that the contract tests drive. */
export const clientPackages = [
  'python3-openstackclient',
  'python3-openstacksdk',
  'tempest',
  'openssh-client',
  'skopeo',
] as const
