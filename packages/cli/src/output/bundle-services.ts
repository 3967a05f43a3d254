import { count, sum, type Page } from './page.ts'

export interface BundleServicesData {
  /** Sorted by service. */
  readonly services: readonly {
    readonly service: string
    readonly files: readonly ServiceFile[]
    readonly tables: number
    readonly softReferences: number
    /** Tables of other services that stand there as views. */
    readonly projections: number
    readonly leftOut: number
  }[]
  /** Services that own no table. */
  readonly withoutDatabase: readonly string[]
  /** Folders beside those of the services. */
  readonly strangers: readonly string[]
}

export interface ServiceFile {
  readonly file: string
  readonly state: 'written' | 'unchanged' | 'fresh' | 'stale'
  readonly bytes: number
  readonly differsAtLine: number | null
}

export function isFresh({ services, strangers }: BundleServicesData): boolean {
  return strangers.length === 0 && services.every(({ files }) => files.every(({ state }) => state !== 'stale'))
}

export function printBundleServices(data: BundleServicesData, page: Page): void {
  page.table(
    [
      ...data.services.map((own) => [
        own.service,
        own.tables,
        own.softReferences,
        own.projections,
        own.leftOut,
        sum(own.files.map(({ bytes }) => bytes)),
        stateOf(own.files),
      ]),
      ...data.withoutDatabase.map((service) => [service, 0, 0, 0, 0, 0, 'no database']),
    ],
    ['service', 'tables', 'soft references', 'read of others', 'left out', 'bytes', ''],
  )
  const files = data.services.flatMap((own) => own.files)
  for (const { file, differsAtLine } of files.filter(({ state }) => state === 'stale')) {
    page.line(`${file} differs from line ${differsAtLine}: write it with ${page.command('bundle --topology services')}`)
  }
  for (const folder of data.strangers) page.line(`${folder} belongs to no service: delete it`)
  page.line(`${count(files.length, 'file')}, ${count(sum(files.map(({ bytes }) => bytes)), 'byte')}`)
}

function stateOf(files: readonly ServiceFile[]): string {
  const states = new Set(files.map(({ state }) => state))
  return (['stale', 'written', 'unchanged', 'fresh'] as const).find((state) => states.has(state)) ?? ''
}
