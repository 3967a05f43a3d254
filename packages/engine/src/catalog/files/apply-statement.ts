import type { ParsedStatement } from '../../parse/parse-sql.ts'
import type { Node } from '../../parse/parser.ts'
import { alterDomain } from './alter-domain.ts'
import { alterFunction } from './alter-function.ts'
import { alterTable } from './alter-table.ts'
import { comment } from './comments.ts'
import { drop } from './drops.ts'
import { alterEventTrigger, createEventTrigger } from './event-triggers.ts'
import { markUnknown, type Fold } from './fold.ts'
import { alterDefaultPrivileges, grant } from './grants.ts'
import { createIndex } from './indexes.ts'
import { createOther, dropUserMapping } from './others.ts'
import { alterOwner, reassignOwned } from './owners.ts'
import { alterPolicy, createPolicy, createTrigger } from './policies-and-triggers.ts'
import { alterPublication, createPublication } from './publications.ts'
import { rename } from './renames.ts'
import { alterRole, createRole, dropRoles, grantRole } from './roles.ts'
import { createAggregate, createFunction } from './routines.ts'
import { createRule } from './rules.ts'
import { runCalls } from './run-calls.ts'
import { runDo } from './run-code.ts'
import { createExtension, createSchema } from './schemas.ts'
import { alterSequence, createSequence } from './sequences.ts'
import { setSchema } from './set-schema.ts'
import { setConfig, setVariable, startPath, transact } from './settings.ts'
import { createStatistics } from './statistics.ts'
import { createTableAs } from './table-as.ts'
import { createTable } from './tables.ts'
import { alterEnum, createComposite, createDomain, createEnum, createRange } from './types.ts'
import { createMaterializedView, createView, refreshView } from './views.ts'

type Tag = Node extends infer One ? (One extends unknown ? keyof One : never) : never
type Content<T extends Tag> = Extract<Node, Record<T, unknown>>[T]

/** What each kind of statement does to the catalog. */
const FOLDS: { readonly [T in Tag]?: (fold: Fold, content: Content<T>) => void } = {
  CreateStmt: createTable,
  IndexStmt: createIndex,
  CreateFunctionStmt: createFunction,
  CreateTrigStmt: createTrigger,
  CreatePolicyStmt: createPolicy,
  ViewStmt: createView,
  CreateTableAsStmt: (fold, node) => {
    if (node.objtype === 'OBJECT_MATVIEW') createMaterializedView(fold, node)
    else createTableAs(fold, node.into, node.query)
  },
  CreateEnumStmt: createEnum,
  CreateDomainStmt: createDomain,
  CompositeTypeStmt: createComposite,
  CreateRangeStmt: createRange,
  CreateSeqStmt: createSequence,
  CreateSchemaStmt: createSchema,
  CreateExtensionStmt: createExtension,
  CreateStatsStmt: createStatistics,
  CreatePublicationStmt: createPublication,
  CreateEventTrigStmt: createEventTrigger,
  RuleStmt: createRule,
  CreateRoleStmt: createRole,
  AlterTableStmt: alterTable,
  AlterDomainStmt: alterDomain,
  AlterFunctionStmt: alterFunction,
  AlterPolicyStmt: alterPolicy,
  AlterEnumStmt: alterEnum,
  AlterSeqStmt: alterSequence,
  AlterRoleStmt: alterRole,
  AlterPublicationStmt: alterPublication,
  AlterEventTrigStmt: alterEventTrigger,
  AlterOwnerStmt: alterOwner,
  AlterObjectSchemaStmt: setSchema,
  AlterDefaultPrivilegesStmt: alterDefaultPrivileges,
  RenameStmt: rename,
  DropStmt: drop,
  DropRoleStmt: dropRoles,
  DropUserMappingStmt: dropUserMapping,
  ReassignOwnedStmt: reassignOwned,
  CommentStmt: comment,
  GrantStmt: grant,
  GrantRoleStmt: grantRole,
  RefreshMatViewStmt: refreshView,
  VariableSetStmt: setVariable,
  TransactionStmt: transact,
  DiscardStmt: (fold) => {
    fold.searchPath = startPath(fold)
  },
  SelectStmt: (fold, node) => {
    if (node.intoClause) createTableAs(fold, node.intoClause, { SelectStmt: node })
    for (const target of node.targetList ?? [])
      if ('ResTarget' in target && target.ResTarget.val) setConfig(fold, target.ResTarget.val)
    runCalls(fold, { SelectStmt: node })
  },
  DoStmt: runDo,
  CallStmt: (fold, node) => runCalls(fold, { CallStmt: node }),
}

/** Folds the statement that `fold.statement` is. */
export function applyStatement(fold: Fold, { node, kind }: ParsedStatement): void {
  const apply = FOLDS[kind as Tag] as ((fold: Fold, content: unknown) => void) | undefined
  if (kind === 'DefineStmt' && isAggregate(node))
    createAggregate(fold, (node as Extract<Node, { DefineStmt: unknown }>).DefineStmt)
  else if (apply) apply(fold, (node as unknown as Record<string, unknown>)[kind])
  else if (!createOther(fold, node) && !WITHOUT_EFFECT.has(kind)) markUnknown(fold, words(kind))
}

function isAggregate(node: Node): boolean {
  return 'DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_AGGREGATE'
}

/** `ImportForeignSchemaStmt` -> `import foreign schema`. */
function words(kind: string): string {
  return kind
    .replace(/Stmt$/, '')
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase()
}

/** Statements about rows, sessions, the server and properties that the model does not hold. */
const WITHOUT_EFFECT = new Set(
  `InsertStmt UpdateStmt DeleteStmt MergeStmt TruncateStmt CopyStmt LockStmt VacuumStmt ReindexStmt ClusterStmt
  SecLabelStmt AlterRoleSetStmt AlterDatabaseSetStmt AlterDatabaseStmt AlterDatabaseRefreshCollStmt CreatedbStmt DropdbStmt
  AlterSystemStmt CreateTableSpaceStmt DropTableSpaceStmt AlterTableSpaceOptionsStmt AlterTableMoveAllStmt
  AlterCollationStmt AlterExtensionStmt AlterFdwStmt AlterForeignServerStmt AlterUserMappingStmt AlterOpFamilyStmt
  AlterOperatorStmt AlterStatsStmt AlterTSConfigurationStmt AlterTSDictionaryStmt AlterTypeStmt AlterObjectDependsStmt
  CreateTransformStmt CreateSubscriptionStmt AlterSubscriptionStmt DropSubscriptionStmt NotifyStmt ListenStmt UnlistenStmt
  CheckPointStmt LoadStmt ExplainStmt VariableShowStmt ConstraintsSetStmt PrepareStmt DeallocateStmt
  DeclareCursorStmt FetchStmt ClosePortalStmt`.split(/\s+/),
)
