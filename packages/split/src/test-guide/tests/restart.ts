import { readEnvFile } from '../../configure/env-file.ts'
import type { State } from '../../ledger/states.ts'
import { tableId, type TableName } from '../../model.ts'
import { slotLag } from '../../postgres/change-log.ts'
import { fencedTables } from '../../postgres/fence.ts'
import { reverseLog } from '../../protocol/move.ts'
import { asideNames } from '../../aside-name.ts'
import { judgeProblems, notApplicable, type GuideTest } from '../guide-test.ts'
import type { ServiceFacts } from '../service-facts.ts'

/** What must be true of a service that rests in a state; in the others a step is under way. */
const facts: Partial<
  Record<State, { readonly shared: boolean; readonly own: boolean; readonly route: 'own' | 'shared' }>
> = {
  provisioned: { shared: false, own: true, route: 'shared' },
  copying: { shared: false, own: true, route: 'shared' },
  streaming: { shared: false, own: true, route: 'shared' },
  verified: { shared: false, own: true, route: 'shared' },
  reversible: { shared: true, own: false, route: 'own' },
  retired: { shared: true, own: false, route: 'own' },
  reverted: { shared: false, own: true, route: 'shared' },
}

export const restart: GuideTest = {
  name: 'safe restart',
  asks: 'are fences, logs and route exactly where the state in the ledger says, so that every step can go on from it?',
  async run(service) {
    const { state } = service.entry
    const expected = facts[state]
    if (!expected)
      return notApplicable(`a step is under way (${state}): the next command completes it or takes it back`)
    return judgeProblems(
      [
        ...(await fenceProblems(service, expected)),
        ...routeProblems(service, expected.route),
        ...(await logProblems(service)),
      ],
      `fences, log and route are as ${state} says`,
    )
  },
}

async function fenceProblems(
  { split, service: { tables, common }, own, entry }: ServiceFacts,
  expected: { readonly shared: boolean; readonly own: boolean },
): Promise<string[]> {
  const shared = tables.flatMap(({ source }) => (entry.state === 'retired' ? asideNames(source) : [source]))
  const inShared = await split.source.fenced(shared)
  const ownTables = [...tables, ...common].map(({ target }) => target)
  const inOwn = await fencedTables(own, ownTables)
  const wrong = (where: string, fenced: readonly TableName[], all: readonly TableName[], isFenced: boolean) => {
    const closed = new Set(fenced.map(tableId))
    if (!isFenced) return fenced.map((table) => `${tableId(table)} is fenced in the ${where} database`)
    return all
      .filter((table) => !closed.has(tableId(table)))
      .map((table) => `${tableId(table)} can be written to in the ${where} database`)
  }
  const present = new Set((await split.source.side.catalog()).tables.map(tableId))
  return [
    ...wrong(
      'shared',
      inShared,
      shared.filter((table) => present.has(tableId(table))),
      expected.shared,
    ),
    ...wrong('own', inOwn, ownTables, expected.own),
  ]
}

function routeProblems({ split, service: { name } }: ServiceFacts, expected: 'own' | 'shared'): string[] {
  const route = readEnvFile(split.envFileOf(name))['IMHOTEP_SPLIT_ROUTE'] ?? 'shared'
  return route === expected ? [] : [`the environment file of ${name} leads to the ${route} database`]
}

async function logProblems({ own, service: { name }, entry: { state } }: ServiceFacts): Promise<string[]> {
  const isOpen = (await slotLag(own, reverseLog(name))) !== null
  if (state === 'reversible' && !isOpen) return ['the log of the way back is not open']
  if (state === 'retired' && isOpen) return ['the log of the way back is still open and holds files of the log back']
  return []
}
