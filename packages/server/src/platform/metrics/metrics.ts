/** The metrics: one registry a process, counters, gauges and histograms made from it, and its Prometheus text. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface MetricOptions<Label extends string> { name: string; help: string; labels?: readonly Label[] }
export interface HistogramOptions<Label extends string> extends MetricOptions<Label> { buckets?: number[] }
export interface GaugeOptions<Label extends string> extends MetricOptions<Label> {
  /** Called at each scrape, to set the gauge to what is true then. */
  collect?: (gauge: Gauge<Label>) => void | Promise<void>
}

export interface Metrics {
  /** The same name twice gives the same counter, so that two parts of one service may share it. */
  counter<Label extends string = never>(options: MetricOptions<Label>): Counter<Label>
  gauge<Label extends string = never>(options: GaugeOptions<Label>): Gauge<Label>
  histogram<Label extends string = never>(options: HistogramOptions<Label>): Histogram<Label>
  /** Everything, in Prometheus's text format; `contentType` is its media type. */
  text(): Promise<string>
  readonly contentType: string
}

/** Seconds; from half a millisecond, for a door that mostly answers within a few. */
const latencyBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export function createMetrics({ processMetrics = true }: { processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry()
  if (processMetrics) collectDefaultMetrics({ register: registry })
  const existing = (name: string): unknown => registry.getSingleMetric(name)
  const common = <Label extends string>({ name, help, labels }: MetricOptions<Label>) =>
    ({ name, help, labelNames: labels ?? [], registers: [registry] })
  return {
    counter: <Label extends string>(options: MetricOptions<Label>) =>
      existing(options.name) as Counter<Label> | undefined ?? new Counter<Label>(common(options)),
    gauge: <Label extends string>(options: GaugeOptions<Label>) =>
      existing(options.name) as Gauge<Label> | undefined ?? newGauge(options, common(options)),
    histogram: <Label extends string>(options: HistogramOptions<Label>) =>
      existing(options.name) as Histogram<Label> | undefined
        ?? new Histogram<Label>({ ...common(options), buckets: options.buckets ?? latencyBuckets }),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

function newGauge<Label extends string>(
  { collect }: GaugeOptions<Label>,
  configuration: { name: string; help: string; labelNames: readonly Label[]; registers: Registry[] },
): Gauge<Label> {
  if (collect === undefined) return new Gauge<Label>(configuration)
  return new Gauge<Label>({ ...configuration, collect() { return collect(this) } })
}
