import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { checkConstraint } from '../check-constraint.ts'
import type { UserType } from '../model.ts'
import { chooseName } from './choose-name.ts'
import { markUnknown, type Fold } from './fold.ts'
import { typeNamed } from './names.ts'
import { qualify } from './qualify.ts'
import { parenthesesBehind } from './source-text.ts'

/** ALTER DOMAIN. */
export function alterDomain(fold: Fold, node: Extract<Node, { AlterDomainStmt: unknown }>['AlterDomainStmt']): void {
  const { key } = typeNamed(fold, path(node.typeName))
  const type = fold.catalog.types.get(key)
  if (!type) return
  const change = (parts: Partial<UserType>) => void fold.catalog.types.set(key, { ...type, ...parts })
  const { text } = fold.statement
  switch (node.subtype as string) {
    case 'T': {
      const source = text.replace(/^.*?\bset\s+default\s+/is, '')
      return change({ default: node.def ? qualify(fold, 'expression', source) : null })
    }
    case 'N':
      return change({ notNull: false })
    case 'O':
      return change({ notNull: true })
    case 'C': {
      const constraint = node.def && 'Constraint' in node.def ? node.def.Constraint : undefined
      if (constraint?.contype === 'CONSTR_NOTNULL') return change({ notNull: true })
      const taken = (own: string) => type.checks.some((check) => check.name === own)
      const name = constraint?.conname ?? chooseName(type.name, [], 'check', taken)
      const validated = !(constraint?.skip_validation ?? false)
      const definition = `CHECK (${parenthesesBehind(text, 'check') ?? ''})${validated ? '' : ' NOT VALID'}`
      const check = checkConstraint({
        name,
        columns: [],
        definition: qualify(fold, 'constraint', definition),
        validated,
      })
      return change({ checks: [...type.checks, check].toSorted((a, b) => (a.name < b.name ? -1 : 1)) })
    }
    case 'X':
      return change({ checks: type.checks.filter((check) => check.name !== node.name) })
    case 'V':
      return change({
        checks: type.checks.map((check) =>
          check.name === node.name
            ? { ...check, validated: true, definition: check.definition.replace(/ NOT VALID$/, '') }
            : check,
        ),
      })
    default:
      return markUnknown(fold, `alter domain ${key}`)
  }
}
