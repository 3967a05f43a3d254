import { parseRaw, type Node } from '../parse/parser.ts'
import { neededNames } from '../print/needed-names.ts'

/** The names (`schema.name`) that SQL needs. */
export function namesIn(sql: string): Set<string> {
  const parsed = parseRaw(sql)
  const nodes: Node[] = Array.isArray(parsed) ? parsed.map(({ node }) => node) : []
  return new Set(nodes.flatMap((node) => [...neededNames(node)]))
}
