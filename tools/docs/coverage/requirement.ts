/** One line of the list of requirements, and what there is for it. `npm run docs` fails when any of it does not exist. */
export type Requirement = Built | Unfinished

interface Built extends Evidence {
  readonly state: 'built'
  readonly objects: readonly string[]
  readonly tests: Tests
  /** What a reader should know about its limits. */
  readonly note?: string
}

/** partly: something of it can be used. later: nothing can yet, though parts that it will stand on may be there. */
interface Unfinished extends Evidence {
  readonly state: 'partly' | 'later'
  readonly missing: string
}

interface Evidence {
  readonly id: string
  /** What is asked for, in our words, without a full stop. */
  readonly asks: string
  /**
   * `patient.patients` is a table, view or type, `patient.patients.mrn` a column, `patient.register()` a function,
   * `patient.*` a schema, `imhotep verify` a command, `npm run docs` a script, anything with `/` a file or folder.
   */
  readonly objects?: readonly string[]
  readonly tests?: Tests
}

/** Test file -> titles in it, or parts of titles. */
export type Tests = Readonly<Record<string, readonly string[]>>
