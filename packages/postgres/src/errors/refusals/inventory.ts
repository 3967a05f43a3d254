import { refuse } from '../define.ts'

// Stock: IM50x and IM53x.
export const StockShortError = refuse(
  'IM500',
  'StockShortError',
  'IMH_STOCK_SHORT',
  'there is not enough stock',
  'order or transfer more, or ask for a partial reservation',
)
export const BatchExpiredError = refuse(
  'IM501',
  'BatchExpiredError',
  'IMH_BATCH_EXPIRED',
  'the batch is expired or expires too soon',
  'choose a later batch',
)
export const BatchRecalledError = refuse(
  'IM502',
  'BatchRecalledError',
  'IMH_BATCH_RECALLED',
  'the batch is recalled, in quarantine or blocked',
  'choose another batch',
)
export const FefoReasonError = refuse(
  'IM503',
  'FefoReasonError',
  'IMH_FEFO_REASON',
  'an earlier batch is in stock',
  'take the batch that expires first, or say why not',
)
export const ReservationGoneError = refuse(
  'IM504',
  'ReservationGoneError',
  'IMH_RESERVATION_GONE',
  'the reservation is used up, released or expired',
  'reserve again',
)
export const StockNegativeError = refuse(
  'IM505',
  'StockNegativeError',
  'IMH_STOCK_NEGATIVE',
  'the movement would take more than is there',
  'count the stock, then adjust it',
)
export const ApprovalMissingError = refuse(
  'IM506',
  'ApprovalMissingError',
  'IMH_APPROVAL_MISSING',
  'this needs the approval of another person',
  'ask a second person to approve',
)
export const ShelfLifeTooShortError = refuse(
  'IM530',
  'ShelfLifeTooShortError',
  'IMH_SHELF_LIFE_TOO_SHORT',
  'the goods expire sooner than the item allows',
  'reject the line, or change the minimum shelf life of the item',
)
