import {
  cancelOrder,
  cancelOrderItem,
  cancelOrderItemSql,
  cancelOrderSql,
  placeOrder,
  placeOrderSql,
} from './orders.ts'
import {
  accession,
  accessionSql,
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
  amendReport,
  amendReportSql,
  issueReport,
  issueReportSql,
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
  'laboratory.place_order': { sql: placeOrderSql, call: placeOrder },
  'laboratory.cancel_order_item': { sql: cancelOrderItemSql, call: cancelOrderItem },
  'laboratory.cancel_order': { sql: cancelOrderSql, call: cancelOrder },
  'laboratory.accession': { sql: accessionSql, call: accession },
  'laboratory.create_aliquots': { sql: createAliquotsSql, call: createAliquots },
  'laboratory.change_sample_state': { sql: changeSampleStateSql, call: changeSampleState },
  'laboratory.enter_result': { sql: enterResultSql, call: enterResult },
  'laboratory.verify_result': { sql: verifyResultSql, call: verifyResult },
  'laboratory.authorise_result': { sql: authoriseResultSql, call: authoriseResult },
  'laboratory.cancel_result': { sql: cancelResultSql, call: cancelResult },
  'laboratory.correct_result': { sql: correctResultSql, call: correctResult },
  'laboratory.issue_report': { sql: issueReportSql, call: issueReport },
  'laboratory.amend_report': { sql: amendReportSql, call: amendReport },
  'laboratory.notify_critical': { sql: notifyCriticalSql, call: notifyCritical },
  'laboratory.record_qc': { sql: recordQcSql, call: recordQc },
  'laboratory.accept_qc_lot': { sql: acceptQcLotSql, call: acceptQcLot },
  'laboratory.retire_qc_lot': { sql: retireQcLotSql, call: retireQcLot },
  'laboratory.review_qc': { sql: reviewQcSql, call: reviewQc },
  'laboratory.record_eqa': { sql: recordEqaSql, call: recordEqa },
} as const
