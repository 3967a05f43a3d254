import { UsageError } from '@imhotep/base'
import { compareText } from '../modules/compare-text.ts'
import { dependencyOrder } from '../modules/dependency-order.ts'
import type { Module } from '../modules/module.ts'

export interface Selection {
  /** In dependency order. */
  readonly modules: Module[]
  /** Names that were not chosen but are required; sorted. */
  readonly added: string[]
}

/**
 * The chosen modules and everything that they require. `*` chooses all.
 *
 * @throws UsageError for a name that no module has.
 */
export function selectModules(modules: readonly Module[], select: readonly string[] = ['*']): Selection {
  const byName = new Map(modules.map((module) => [module.name, module]))
  const chosen = select.includes('*') ? [...byName.keys()] : select
  const wanted = new Map<string, Module>()
  const want = (name: string): void => {
    const module = byName.get(name)
    if (!module) throw unknownModule(name, [...byName.keys()])
    if (wanted.has(name)) return
    wanted.set(name, module)
    module.requires.forEach(want)
  }
  chosen.forEach(want)
  const added = [...wanted.keys()].filter((name) => !chosen.includes(name)).toSorted(compareText)
  return { modules: dependencyOrder([...wanted.values()]), added }
}

function unknownModule(name: string, known: string[]): UsageError {
  return new UsageError(`there is no module "${name}"`, {
    hint: `choose from ${known.toSorted(compareText).join(', ')}`,
  })
}
