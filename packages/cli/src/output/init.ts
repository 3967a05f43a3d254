import type { Page } from './page.ts'

export interface InitData {
  readonly directory: string
  readonly modules: readonly string[]
  readonly files: readonly { readonly file: string; readonly state: 'new' | 'already there' }[]
}

export function printInit({ directory, modules, files }: InitData, page: Page): void {
  page.line(`project in ${directory}: ${modules.join(', ')}`)
  page.table(files.map(({ file, state }) => [file, { text: state, tone: state === 'new' ? 'good' : 'plain' }]))
  page.line(`next: ${page.command('up')}`)
}
