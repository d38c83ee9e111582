/** The flavors of a fresh DevStack, which guides and test suites name. */
import type { Flavor } from './model.ts'

const flavor = (id: string, name: string, [ramMiB, diskGiB, vcpus]: [number, number, number]): Flavor => ({
  id, name, ramMiB, diskGiB, vcpus, description: null, ephemeralGiB: 0, swapMiB: 0, rxtxFactor: 1, isPublic: true,
  extraSpecs: {},
})

export const seedFlavors: Flavor[] = [
  flavor('42', 'm1.nano', [128, 1, 1]),
  flavor('84', 'm1.micro', [192, 1, 1]),
  flavor('1', 'm1.tiny', [512, 1, 1]),
  flavor('2', 'm1.small', [2048, 20, 1]),
  flavor('3', 'm1.medium', [4096, 40, 2]),
  flavor('4', 'm1.large', [8192, 80, 4]),
  flavor('5', 'm1.xlarge', [16_384, 160, 8]),
  flavor('c1', 'cirros256', [256, 1, 1]),
  flavor('d1', 'ds512M', [512, 5, 1]),
  flavor('d2', 'ds1G', [1024, 10, 1]),
  flavor('d3', 'ds2G', [2048, 10, 2]),
  flavor('d4', 'ds4G', [4096, 20, 4]),
]
