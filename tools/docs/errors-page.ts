import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { sqlstates } from '@imhotep/postgres'
import { obstacleCodes } from '@imhotep/split'

interface Row {
  readonly code: string
  readonly meaning: string
  readonly from: string
}

/** docs/reference/errors.md: every code that a program may meet, in the order of the alphabet. */
export function errorsPage(root: string): string {
  const fromClasses = sourceFiles(root).flatMap(([room, text]) => errorClasses(room, text))
  const reported = sqlstates
    .map(({ code, sqlstates: states, meaning, hint }) => ({
      code: `\`${code}\``,
      states: states.map((state) => `\`${state}\``).join(', '),
      meaning,
      hint,
    }))
    .toSorted((a, b) => (a.states < b.states ? -1 : 1))
  const own = fromClasses.filter(({ code }) => !sqlstates.some((row) => row.code === code))
  const obstacles = Object.entries(obstacleCodes)
    .map(([code, meaning]) => ({ code, meaning, from: 'split' }))
    .filter(({ code }) => !own.some((row) => row.code === code))
  return `# Errors

<!-- Written by npm run docs from the error classes and from the SQLSTATE table; do not edit. -->

Codes are stable: programs may rely on them. The wording of a message is not. Every error carries a \`hint\` that says
what to do.

## Raised by Imhotep

| code | meaning | package |
| --- | --- | --- |
${lines([...own, ...obstacles].toSorted(byCode).map(({ code, meaning, from }) => [`\`${code}\``, meaning, from]))}

## Reported by the database

SQLSTATEs of class \`IM\` are raised by the schema's own operations; the others are PostgreSQL's. Two characters stand
for a whole class.

| code | SQLSTATE | meaning | what to do |
| --- | --- | --- | --- |
${lines(reported.map(({ code, states, meaning, hint }) => [code, states, meaning, hint]))}
`
}

/** `[package, text]` of every source file that is no test. */
function sourceFiles(root: string): [string, string][] {
  const packages = join(root, 'packages')
  return readdirSync(packages).flatMap((room) => {
    const directory = join(packages, room, 'src')
    return readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
      .toSorted()
      .map((file): [string, string] => [room, readFileSync(join(directory, ...file.split(sep)), 'utf8')])
  })
}

const CLASS =
  /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*export (?:abstract )?class \w+ extends \w+ \{((?:(?!\n\}\n)[^])*?code(?:: [^=]+)? = '(IMH_\w+)')/g

/** Classes with a literal code, told by the first paragraph of their docstring. */
function errorClasses(room: string, text: string): Row[] {
  return [...text.matchAll(CLASS)].map(([, docstring = '', , code = '']) => ({
    code,
    meaning: sentence(docstring),
    from: room,
  }))
}

function sentence(docstring: string): string {
  const text = docstring
    .split('\n')
    .map((line) => line.replace(/^\s*\*? ?/, '').trim())
    .join(' ')
    .trim()
  return text.replace(/\s+@.*$/, '').replaceAll('|', '\\|')
}

function byCode(a: Row, b: Row): number {
  return a.code < b.code ? -1 : 1
}

function lines(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `| ${row.join(' | ')} |`).join('\n')
}
