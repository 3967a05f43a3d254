import type { Node } from '../../parse/parser.ts'
import type { View } from '../model.ts'
import type { Command } from './alter-table.ts'
import { markUnknown, type Fold } from './fold.ts'
import { qualify } from './qualify.ts'
import { changeOptions } from './relation-options.ts'
import { flagsOf } from './views.ts'

/** ALTER VIEW and ALTER MATERIALIZED VIEW; `text` is the command's source. */
export function alterView(fold: Fold, key: string, { subtype, name = '', def }: Command, text: string): void {
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
    case 'AT_ColumnDefault': {
      const { [name]: _, ...others } = view.columnDefaults
      if (!def) return change({ columnDefaults: others })
      const value = qualify(fold, 'expression', text.replace(/^.*?\bset\s+default\s+/is, ''))
      const columnDefaults = { ...others, [name]: value }
      const ordered = view.columns.flatMap((column) =>
        columnDefaults[column] === undefined ? [] : [[column, columnDefaults[column]] as const],
      )
      return change({ columnDefaults: Object.fromEntries(ordered) })
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
