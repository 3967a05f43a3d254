-- The wallet: what a coverage has left, less what live submissions hold of it. Members of a family share one.

create function insurance.lock_wallet(p_coverage_id uuid) returns uuid[]
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_tenant uuid := core.require_tenant();
  v_coverage record;
  v_member uuid;
  v_wallet uuid[] := '{}';
begin
  select c.payer_id, c.family_id_bidx into v_coverage
  from insurance.coverages c
  where c.tenant_id = v_tenant and c.id = p_coverage_id;
  if not found then
    raise exception 'coverage % does not exist', p_coverage_id
      using errcode = 'IM005', hint = 'choose a coverage of the tenant';
  end if;
  -- deleted ones too: what they held or spent is gone for the others as well
  for v_member in
    select c.id
    from insurance.coverages c
    where
      c.tenant_id = v_tenant and c.payer_id = v_coverage.payer_id
      and (c.id = p_coverage_id or c.family_id_bidx = v_coverage.family_id_bidx)
    order by c.id
    for no key update
  loop
    v_wallet := v_wallet || v_member;
  end loop;
  return v_wallet;
end
$$;

comment on function insurance.lock_wallet(uuid) is 'about=The coverages that share the wallet of one, locked in order of their ids until the transaction ends. IM005 no such coverage.';

create function insurance.wallet_free(p_wallet uuid[]) returns numeric
  language sql
  stable
  set search_path = pg_catalog, pg_temp
as $$
  select b.balance - (
    select coalesce(sum(c.wallet_hold), 0)
    from insurance.insurance_claims c
    where c.tenant_id = core.require_tenant() and c.coverage_id = any (p_wallet) and c.wallet_hold > 0
  )
  from (
    select w.balance
    from insurance.coverages w
    where w.tenant_id = core.require_tenant() and w.id = any (p_wallet) and w.balance is not null
    order by w.balance_checked_at desc nulls last
    limit 1
  ) b
$$;

comment on function insurance.wallet_free(uuid[]) is 'about=What a wallet, locked by the caller, has left: the balance that the payer told last, less all holds. Null: no limit is known.';

create function insurance.set_hold(p_claim insurance.insurance_claims, p_amount numeric) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claim insurance.insurance_claims;
begin
  update insurance.insurance_claims c
  set wallet_hold = p_amount
  where c.tenant_id = p_claim.tenant_id and c.id = p_claim.id
  returning c.* into v_claim;
  update insurance.pmjay_cases k
  set wallet_blocked = k.wallet_used + (
    select coalesce(sum(c.wallet_hold), 0)
    from insurance.insurance_claims c
    where c.tenant_id = p_claim.tenant_id and c.case_id = p_claim.case_id
  )
  where k.tenant_id = p_claim.tenant_id and k.id = p_claim.case_id;
  return v_claim;
end
$$;

comment on function insurance.set_hold(insurance.insurance_claims, numeric) is 'about=Sets what a submission holds of the wallet and counts the case''s wallet_blocked again: what was paid and what is held. The caller has locked case, submission and, when the hold rises, the wallet.';

create function insurance.take_hold(p_claim insurance.insurance_claims, p_amount numeric) returns insurance.insurance_claims
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_wallet uuid[] := insurance.lock_wallet(p_claim.coverage_id);
  -- a statement of its own: it sees what those before us in the queue for the lock have committed
  v_free numeric := insurance.wallet_free(v_wallet);
begin
  if p_amount > v_free then
    raise exception 'claim % needs more than its wallet has left', p_claim.id
      using errcode = 'IM601', hint = 'short by ' || p_amount - v_free;
  end if;
  return insurance.set_hold(p_claim, p_amount);
end
$$;

comment on function insurance.take_hold(insurance.insurance_claims, numeric) is 'about=Holds an amount of the wallet for a submission, under the lock of the wallet. IM601 the wallet has less.';

create function insurance.draw_wallet(p_coverage_id uuid, p_amount numeric) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_wallet uuid[] := insurance.lock_wallet(p_coverage_id);
begin
  update insurance.coverages c
  set balance = greatest(c.balance - p_amount, 0)
  where c.tenant_id = core.require_tenant() and c.id = any (v_wallet) and c.balance is not null;
end
$$;

comment on function insurance.draw_wallet(uuid, numeric) is 'about=Takes what was paid out of the balance of a wallet.';
