import type { Node } from '../../parse/parser.ts'
import type { View } from '../model.ts'
import type { Command } from './alter-table.ts'
import { markUnknown, type Fold } from './fold.ts'
import { changeOptions } from './relation-options.ts'
import { flagsOf } from './views.ts'

/** ALTER VIEW and ALTER MATERIALIZED VIEW; defaults of a view's columns are not held. */
export function alterView(fold: Fold, key: string, { subtype, def }: Command): void {
  const view = fold.catalog.views.get(key)
  if (!view) return
  const change = (parts: Partial<View>) => void fold.catalog.views.set(key, { ...view, ...parts })
  switch (subtype) {
    case 'AT_SetRelOptions':
    case 'AT_ResetRelOptions': {
      const items: Node[] = def && 'List' in def ? (def.List.items ?? []) : []
      const options = changeOptions(view.options, items, subtype === 'AT_ResetRelOptions')
      return change({ options, ...(view.materialized ? {} : flagsOf(options)) })
    }
    case 'AT_ClusterOn':
    case 'AT_DropCluster':
    case 'AT_SetTableSpace':
    case 'AT_SetStatistics':
    case 'AT_SetStorage':
    case 'AT_SetCompression':
    case 'AT_SetAccessMethod':
      return
    default:
      return markUnknown(fold, `alter view ${key}: ${subtype ?? ''}`)
  }
}
