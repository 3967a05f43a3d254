-- Rules that span rows, as trigger functions.

create function payment.check_payment_items() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_payment_id uuid := (to_jsonb(new) ->> tg_argv[0])::uuid;
  v_missing numeric;
begin
  select p.amount - coalesce(
    (
      select sum(i.amount)
      from payment.payment_items i
      where i.tenant_id = p.tenant_id and i.payment_id = p.id
    ),
    0
  )
  into v_missing
  from payment.payments p
  where p.tenant_id = new.tenant_id and p.id = v_payment_id;
  if v_missing is distinct from 0 then -- null: the transaction ends in another tenant, whose rows are not these
    raise exception 'the items of payment % do not add up to its amount', v_payment_id
      using errcode = 'IM553', hint = 'let the items add up to the amount';
  end if;
  return null;
end
$$;

comment on function payment.check_payment_items() is 'about=At commit: the items of a payment add up to its amount (IM553). Argument: the column that holds the payment''s id.';

create function payment.check_refund_reference() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if core.looks_like_pan(new.provider_ref) and exists (
    select
    from payment.payments p
    where p.tenant_id = new.tenant_id and p.id = new.payment_id and p.intent_id is null
  ) then
    raise exception 'the reference of refund % looks like a card number', new.id
      using
        errcode = '23514', constraint = 'refunds_no_card_number',
        hint = 'enter the reference that the bank or terminal printed, without the card number';
  end if;
  return new;
end
$$;

comment on function payment.check_refund_reference() is 'about=Before the reference of a refund is written: what came in at the counter goes back with a typed reference, which is no card number (23514). One that a provider issued may look like it.';
