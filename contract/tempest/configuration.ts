/** tempest.conf for a cloud: what the cloud says about itself, and the features that this release has. */
import type { CloudFacts } from './cloud-facts.ts'

type Section = Readonly<Record<string, string | number | boolean>>

const buildTimeoutSeconds = 120
const computeMaxMicroversion = '2.96'

/** Features by tempest's own names; a feature that is not here yet is off, and its tests are in a .skip file. */
const computeFeatures: Section = {
  console_output: true,
  pause: true,
  suspend: true,
  snapshot: true,
  resize: false,
  shelve: false,
  rescue: false,
  personality: false,
  config_drive: false,
  xenapi_apis: true, // tempest's name for server metadata that can be changed while the server runs
  metadata_service: false,
  interface_attach: true,
  change_password: false,
  cold_migration: false,
  live_migration: false,
  vnc_console: false,
  attach_encrypted_volume: false,
}

/** Tempest looks into servers as a person would: over ssh, at a floating IP, with the server's key. */
const validation: Section = {
  connect_method: 'floating',
  auth_method: 'keypair',
  image_ssh_user: 'root',
  image_alt_ssh_user: 'root',
  connect_timeout: 30,
  ssh_timeout: 120,
  ping_timeout: 60,
}

/** Tempest 33 asks for tags by the extension's first name, which `standard-attr-tag` has replaced. */
const extensionsOf = ({ networkExtensions }: CloudFacts): readonly string[] =>
  networkExtensions.includes('standard-attr-tag') ? [...networkExtensions, 'tag'] : networkExtensions

function pick<T extends { name: string }>(things: readonly T[], name: string): T | undefined {
  return things.find((thing) => thing.name === name) ?? things[0]
}

const accounts = (facts: CloudFacts): Record<string, Section> => ({
  auth: {
    use_dynamic_credentials: true,
    admin_username: facts.username,
    admin_password: facts.password,
    admin_project_name: facts.project,
    admin_domain_name: 'Default',
    create_isolated_networks: hasRouters(facts),
    tempest_roles: 'member',
  },
  identity: { uri_v3: facts.authUrl, auth_version: 'v3', region: facts.region, v3_endpoint_type: 'public' },
  'identity-feature-enabled': {
    api_v2: false,
    api_v2_admin: false,
    api_v3: true,
    trust: true,
    application_credentials: true,
    access_rules: true,
    security_compliance: false,
  },
})

/** Without routers tempest cannot make an isolated network of its own, and uses the one that exists. */
const hasRouters = (facts: CloudFacts): boolean => facts.networkExtensions.includes('router')

function services(facts: CloudFacts): Section {
  const has = (...types: string[]): boolean => types.some((type) => facts.serviceTypes.includes(type))
  return {
    nova: has('compute'),
    neutron: has('network'),
    glance: has('image'),
    cinder: has('volumev3', 'block-storage'),
    swift: has('object-store'),
    horizon: false,
  }
}

function compute(facts: CloudFacts): Section {
  const active = facts.images.filter((image) => image.status === 'active')
  const image = pick(active, 'busybox')?.id ?? ''
  const flavor = pick(facts.flavors, 'm1.nano')?.id ?? ''
  return {
    flavor_ref: flavor,
    flavor_ref_alt: facts.flavors.find((one) => one.id !== flavor)?.id ?? '',
    image_ref: image,
    image_ref_alt: active.find((one) => one.id !== image)?.id ?? image,
    build_timeout: buildTimeoutSeconds,
    min_compute_nodes: 1,
    max_microversion: computeMaxMicroversion,
    endpoint_type: 'publicURL',
    fixed_network_name: hasRouters(facts) ? '' : 'private',
  }
}

const volumeMaxMicroversion = '3.71'

/** Volumes are files of their host: what is encrypted, kept elsewhere or adopted from elsewhere is off. */
const volumes: Record<string, Section> = {
  volume: {
    storage_protocol: 'loop',
    vendor_name: 'Quaystone',
    backend_names: 'quaystone',
    disk_format: 'raw',
    container_format: 'bare',
    volume_size: 1,
    build_timeout: buildTimeoutSeconds,
    max_microversion: volumeMaxMicroversion,
  },
  'volume-feature-enabled': {
    api_v3: true,
    snapshot: true,
    clone: true,
    volume_revert: true,
    extend_attached_volume: true,
    backup: true,
    manage_volume: false,
    manage_snapshot: false,
    multi_backend: false,
    consistency_group: false,
  },
}

function sections(facts: CloudFacts, { lockPath, looksInside }: Surroundings): Record<string, Section> {
  const external = pick(facts.externalNetworks, 'public')
  return {
    DEFAULT: { log_file: 'tempest.log' },
    oslo_concurrency: { lock_path: lockPath },
    ...accounts(facts),
    service_available: services(facts),
    compute: compute(facts),
    'compute-feature-enabled': computeFeatures,
    image: { http_image: facts.authUrl, disk_formats: 'raw,qcow2', container_formats: 'bare' },
    'image-feature-enabled': { import_image: true },
    network: {
      public_network_id: external?.id ?? '',
      floating_network_name: external?.name ?? '',
      project_networks_reachable: false,
    },
    'network-feature-enabled': {
      api_extensions: extensionsOf(facts).join(','),
      ipv6_subnet_attributes: true,
      port_security: facts.networkExtensions.includes('port-security'),
    },
    ...volumes,
    validation: { ...validation, run_validation: looksInside },
  }
}

export interface Surroundings {
  readonly lockPath: string
  /** Whether tempest goes into servers over ssh (`run_validation`): what it then proves, and how long it then takes. */
  readonly looksInside: boolean
}

export function tempestConfiguration(facts: CloudFacts, surroundings: Surroundings): string {
  const blocks = Object.entries(sections(facts, surroundings)).map(([name, values]) => {
    const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}`)
    return `[${name}]\n${lines.join('\n')}\n`
  })
  return blocks.join('\n')
}
