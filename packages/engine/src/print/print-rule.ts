import { quoteIdentifier } from '../bundle/quote.ts'
import type { RewriteRule, Table, View } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { ENABLE_WORDS } from './print-trigger.ts'
import { lowerCase, qualified } from './sql-text.ts'

export function printRule(owner: Table | View, rule: RewriteRule): UnplacedObject {
  const key = `${owner.schema}.${owner.name}`
  const statements = [ruleStatement(rule), ...(rule.enabled === 'origin' ? [] : [enableRuleStatement(owner, rule)])]
  const place = { section: 'other', phase: 'rules' } as const
  return unplaced(`rule ${rule.name} on ${key}`, owner.schema, place, statements, { owner: key })
}

export function ruleStatement({ definition }: RewriteRule): string {
  return lowerCase(definition)
}

export function enableRuleStatement(owner: Table | View, { name, enabled }: RewriteRule): string {
  return `alter table ${qualified(owner)} ${ENABLE_WORDS[enabled]} rule ${quoteIdentifier(name)}`
}
