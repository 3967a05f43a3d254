import type { BringUpResult } from '../up/bring-up.ts'
import type { Step } from '../up/steps.ts'
import { seconds, type Page, type Tone } from './page.ts'
import { printVerify } from './verify.ts'

export type UpData = Omit<BringUpResult, 'target'>

const TONES: Record<Step['state'], Tone> = {
  new: 'good',
  'already there': 'plain',
  ok: 'good',
  failed: 'bad',
  'left out': 'dim',
}

export function printUp(data: UpData, page: Page): void {
  page.line()
  page.table(
    data.steps.map(({ step, state, detail, ms }) => [step, { text: state, tone: TONES[state] }, detail, seconds(ms)]),
  )
  page.line()
  printModules(data, page)
  page.line()
  if (data.steps.some(({ state }) => state === 'failed')) {
    printVerify(data.verify, page)
    page.line()
  }
  page.table([
    ['connect', data.connection],
    ...(data.credentials === null ? [] : [['password', `in ${data.credentials}`]]),
    ['took', seconds(data.ms)],
  ])
  page.line()
  page.table([
    ['next', page.command('status'), 'which migrations the database has'],
    ['', page.command('verify --attack'), "try to reach another tenant's rows"],
    ['', page.command('down'), 'stop the server, keep the data'],
  ])
}

function printModules({ modules }: UpData, page: Page): void {
  const sum = (of: 'tables' | 'policies' | 'views' | 'functions') => modules.reduce((total, one) => total + one[of], 0)
  page.table(
    [
      ...modules.map(({ module, tables, policies, views, functions }) => [module, tables, policies, views, functions]),
      [`${modules.length} modules`, sum('tables'), sum('policies'), sum('views'), sum('functions')],
    ],
    ['module', 'tables', 'policies', 'views', 'functions'],
  )
}
