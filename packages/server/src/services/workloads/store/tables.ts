/** The tables of workloads: what is wanted and what is, hosts as last seen, images known to be on them. */

export interface WorkloadRow {
  id: string
  owner_service: string
  project_id: string
  user_id: string
  name: string
  spec: string
  image_id: string
  group_id: string | null
  desired: string
  state: string
  step: string | null
  /** The order under way, as JSON. */
  pending: string | null
  generation: number
  done_generation: number
  /** The generation whose spec the container must be made from; an older container is replaced. */
  build_generation: number
  /** 1 while a controller has something to do: the index that finds work. */
  todo: number
  host_name: string | null
  container_id: string | null
  pid: number
  exit_code: number | null
  oom_killed: number
  fault: string | null
  launched_at: number | null
  terminated_at: number | null
  created_at: number
  updated_at: number
}

export interface WorkloadHostRow {
  name: string
  id: string
  enabled: number
  disabled_reason: string | null
  availability_zone: string
  up: number
  address: string
  /** The engine's own facts, as JSON of `EngineInfo`. */
  info: string
  started_at: number
  seen_at: number
}

export interface WorkloadImageRow {
  host_name: string
  image_id: string
  reference: string
  has_command: number
  architecture: string
  size_bytes: number
  loaded_at: number
}

export interface WorkloadTables {
  workload: WorkloadRow
  workload_host: WorkloadHostRow
  workload_image: WorkloadImageRow
}
