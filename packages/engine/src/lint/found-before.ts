import type { Catalog } from '../catalog/model.ts'
import type { Finding } from '../verify/finding.ts'

/** What was wrong with the objects of applied files before the first pending one ran. */
export class FoundBefore {
  readonly #files: ReadonlySet<string>
  readonly #keys: ReadonlySet<string>

  constructor(files: Iterable<string>, findings: readonly Finding[]) {
    this.#files = new Set(files)
    this.#keys = new Set(findings.map(({ rule, object, message }) => keyOf(rule, object ?? '', message)))
  }

  /** Whether pending files brought this about on an object that was there before them. */
  isNew({ file, rule, object, message }: Finding, { gone }: Catalog): boolean {
    if (file === null || object === null || !this.#files.has(file)) return false
    if (this.#keys.has(keyOf(rule, object, message))) return false
    return !formerNames(object, gone).some(([name, former]) =>
      this.#keys.has(keyOf(rule, object.replace(name, former), message.replaceAll(name, former))),
    )
  }
}

/** New and old name of the object and of what it is a part of, where pending files gave it another. */
function formerNames(object: string, gone: Catalog['gone']): [name: string, former: string][] {
  return [...gone].flatMap(([former, { to }]): [string, string][] =>
    to !== null && (object === to || object.startsWith(`${to}.`)) ? [[to, former]] : [],
  )
}

function keyOf(rule: string, object: string, message: string): string {
  return JSON.stringify([rule, object, message])
}
