import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Node } from '../parse/parser.ts'
import { quoteLiteral, quoteQualified } from './quote.ts'
import { guarded, insertAt, refuse, type GuardedStatement, type Repeatable } from './repeatable-text.ts'

type AlterTable = Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt']
type Command = Extract<Node, { AlterTableCmd: unknown }>['AlterTableCmd']

/** Sub-commands that set a state: setting it again changes nothing. */
const SETS_A_STATE = new Set([
  'AT_EnableRowSecurity',
  'AT_DisableRowSecurity',
  'AT_ForceRowSecurity',
  'AT_NoForceRowSecurity',
  'AT_ChangeOwner',
  'AT_ColumnDefault',
  'AT_SetNotNull',
  'AT_DropNotNull',
  'AT_SetStorage',
  'AT_SetCompression',
  'AT_SetStatistics',
  'AT_SetOptions',
  'AT_ResetOptions',
  'AT_SetRelOptions',
  'AT_ResetRelOptions',
  'AT_ReplicaIdentity',
  'AT_ClusterOn',
  'AT_ValidateConstraint',
  'AT_EnableTrig',
  'AT_EnableAlwaysTrig',
  'AT_EnableReplicaTrig',
  'AT_DisableTrig',
  'AT_EnableTrigAll',
  'AT_DisableTrigAll',
  'AT_EnableTrigUser',
  'AT_DisableTrigUser',
  'AT_EnableRule',
  'AT_EnableAlwaysRule',
  'AT_EnableReplicaRule',
  'AT_DisableRule',
])

/** ALTER TABLE so that it can run twice; a statement that adds a constraint is put under a guard. */
export function repeatableAlterTable(statement: ParsedStatement, alter: AlterTable): Repeatable {
  const commands = (alter.cmds ?? []).map((command) => ('AlterTableCmd' in command ? command.AlterTableCmd : {}))
  const constraint = guardedConstraint(statement, alter)
  if (constraint) return guarded(constraint.condition, constraint.text)
  if (commands.length === 1 && commands[0]?.subtype === 'AT_AttachPartition')
    return attachPartition(statement, commands[0])

  // Insertions move what stands behind them: from the last to the first.
  let text: string = statement.text
  for (const command of commands.toReversed()) {
    const problem = refusal(command)
    if (problem) return problem
    if (command.subtype !== 'AT_AddColumn' || command.missing_ok) continue
    const column = command.def && 'ColumnDef' in command.def ? command.def.ColumnDef.location : undefined
    const inserted = insertAt({ ...statement, text }, column, 'if not exists ')
    if ('refused' in inserted) return inserted
    text = inserted.text
  }
  return { text }
}

/** The guard of a statement that adds named constraints and nothing else, null for every other one. */
export function guardedConstraint(statement: ParsedStatement, alter: AlterTable): GuardedStatement | null {
  const names: string[] = []
  for (const command of alter.cmds ?? []) {
    const definition = 'AlterTableCmd' in command ? command.AlterTableCmd.def : undefined
    if (!definition || !('Constraint' in definition) || !definition.Constraint.conname) return null
    names.push(definition.Constraint.conname)
  }
  const [name] = names
  // One statement, one guard: with two constraints a half-done state could not be told.
  if (!name || names.length > 1) return null
  const { relation } = alter
  const table = quoteLiteral(quoteQualified(relation?.schemaname, relation?.relname ?? ''))
  return {
    condition: `not exists (select from pg_catalog.pg_constraint where conrelid = ${table}::pg_catalog.regclass and conname = ${quoteLiteral(name)})`,
    text: statement.text,
  }
}

function refusal(command: Command): Repeatable | null {
  const { subtype = '', missing_ok } = command
  if (SETS_A_STATE.has(subtype) || subtype === 'AT_AddColumn') return null
  if (subtype === 'AT_DropColumn' || subtype === 'AT_DropConstraint') {
    return missing_ok ? null : refuse('a second run finds nothing to drop', 'add IF EXISTS')
  }
  if (subtype === 'AT_AddConstraint') {
    return refuse(
      'one guard cannot stand for several commands',
      'give the constraint a name and a statement of its own',
    )
  }
  return refuse(
    `${commandWords(subtype)} has no repeatable form`,
    'put it into CREATE TABLE, or into a DO block that looks first',
  )
}

function attachPartition({ text }: ParsedStatement, command: Command): Repeatable {
  const name = command.def && 'PartitionCmd' in command.def ? command.def.PartitionCmd.name : undefined
  const partition = quoteLiteral(quoteQualified(name?.schemaname, name?.relname ?? ''))
  return guarded(
    `not exists (select from pg_catalog.pg_inherits where inhrelid = ${partition}::pg_catalog.regclass)`,
    text,
  )
}

/** `AT_AddIdentity` -> `alter table .. add identity`. */
function commandWords(subtype: string): string {
  const words = subtype.replace('AT_', '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
  return `alter table .. ${words.toLowerCase()}`
}
