import {
  cancelLabOrder,
  cancelLabOrderItem,
  cancelLabOrderItemSql,
  cancelLabOrderSql,
  placeLabOrder,
  placeLabOrderSql,
} from './orders.ts'
import {
  accessionOrder,
  accessionOrderSql,
  changeSampleState,
  changeSampleStateSql,
  createAliquots,
  createAliquotsSql,
} from './samples.ts'
import {
  authoriseResult,
  authoriseResultSql,
  cancelResult,
  cancelResultSql,
  correctResult,
  correctResultSql,
  enterResult,
  enterResultSql,
  verifyResult,
  verifyResultSql,
} from './results.ts'
import {
  amendLabReport,
  amendLabReportSql,
  issueLabReport,
  issueLabReportSql,
  notifyCritical,
  notifyCriticalSql,
} from './reports.ts'
import {
  acceptQcLot,
  acceptQcLotSql,
  recordEqa,
  recordEqaSql,
  recordQc,
  recordQcSql,
  retireQcLot,
  retireQcLotSql,
  reviewQc,
  reviewQcSql,
} from './quality-control.ts'

/** The operations of schema/laboratory that an application may call. */
export const laboratoryOperations = {
  'laboratory.place_order': { sql: placeLabOrderSql, call: placeLabOrder },
  'laboratory.cancel_order_item': { sql: cancelLabOrderItemSql, call: cancelLabOrderItem },
  'laboratory.cancel_order': { sql: cancelLabOrderSql, call: cancelLabOrder },
  'laboratory.accession': { sql: accessionOrderSql, call: accessionOrder },
  'laboratory.create_aliquots': { sql: createAliquotsSql, call: createAliquots },
  'laboratory.change_sample_state': { sql: changeSampleStateSql, call: changeSampleState },
  'laboratory.enter_result': { sql: enterResultSql, call: enterResult },
  'laboratory.verify_result': { sql: verifyResultSql, call: verifyResult },
  'laboratory.authorise_result': { sql: authoriseResultSql, call: authoriseResult },
  'laboratory.cancel_result': { sql: cancelResultSql, call: cancelResult },
  'laboratory.correct_result': { sql: correctResultSql, call: correctResult },
  'laboratory.issue_report': { sql: issueLabReportSql, call: issueLabReport },
  'laboratory.amend_report': { sql: amendLabReportSql, call: amendLabReport },
  'laboratory.notify_critical': { sql: notifyCriticalSql, call: notifyCritical },
  'laboratory.record_qc': { sql: recordQcSql, call: recordQc },
  'laboratory.accept_qc_lot': { sql: acceptQcLotSql, call: acceptQcLot },
  'laboratory.retire_qc_lot': { sql: retireQcLotSql, call: retireQcLot },
  'laboratory.review_qc': { sql: reviewQcSql, call: reviewQc },
  'laboratory.record_eqa': { sql: recordEqaSql, call: recordEqa },
} as const
