# Who leaves a trial before there is a card is still owed what was earned until then: it waits in sight, is paid once when the card
# is there, at the price of the visit and not before, and later visits are not. The sandbox's ledger is the judge.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new(settings => { settling => 1 });
$payouts->become_payer;
$payouts->sql(<<'EOC');
CREATE TABLE public.week AS SELECT m.uid FROM public.place p, murallink.add_milestone('Week', 50, 'USD', p.trial_uid, p.site_uid, 9) m;
EOC

note 'nobody knows where the card is to be sent';
my $patient = $payouts->take_in("INSERT INTO murallink.patient (first_name, last_name) VALUES ('Pat', 'Inactive') RETURNING uid");
my $visit = pay('current_date - 1');
$payouts->wait_idle;
is(waiting(), 'no_contact 50.00 update_patient', 'it waits, and a person is told for whom');
is($payouts->entries('load'), 0, 'and nothing is loaded');

note 'the patient leaves the trial, and the price is raised';
$payouts->sql("SELECT murallink.set_enrollment_status('dropped', trial_uid, '$patient', current_date) FROM public.place");
$payouts->sql(q{SELECT murallink.add_milestone('Week', 80, 'USD', trial_uid, site_uid, 9, effective_date => now()) FROM public.place});
is(waiting(), 'no_contact 50.00 update_patient', 'what is owed stays owed, and in sight');
is($payouts->sql('SELECT reserved::numeric(16, 2) FROM murallink.fund_balance'), '50.00', 'and its funds are kept');
is($payouts->error_of("SELECT murallink.milestone_payment('$patient', uid, visit_date => current_date + 1) FROM public.week"), 'dropped', 'a later visit is none');
my $late = pay('current_date');
$payouts->wait_idle;
is(waiting(), 'no_contact 50.00 update_patient, no_contact 80.00 update_patient', 'one that was before, and is paid for afterwards, waits with it');

note 'the issuer declines the card, and a person has it ordered again';
$payouts->fault(operation => 'dash.orderCards', when => 'before', action => 'answer', status => 400, count => 1);
$payouts->sql("SELECT murallink.update_patient('$patient', email => 'pat\@example.com')");
$payouts->wait_idle;
like(waiting(), qr/^card_declined 50\.00 resolve_card, card_declined 80\.00 resolve_card$/, 'still owed, still in sight');
$payouts->call(resolve_card => $payouts->sql("SELECT uid FROM murallink.needs_person WHERE kind = 'card'"), 'false', 'the address was new');
$payouts->wait_idle;
is(join(' ', sort map { $_->{amount} } $payouts->entries('load')), '50.00 80.00', 'then each is paid once');
is($payouts->sql("SELECT string_agg(status || ' ' || amount::numeric(16, 2), ', ' ORDER BY created_at) FROM murallink.payment"), 'paid 50.00, paid 80.00', 'at its price');
is($payouts->sql('SELECT reserved::numeric(16, 2), disbursed::numeric(16, 2) FROM murallink.fund_balance'), '0.00|130.00', 'of the funds that were kept');
is($payouts->sql('SELECT count(*) FROM murallink.needs_person'), 0, 'and nobody is needed any more');
is_deeply([ $payouts->wrong ], [], 'the books agree');
done_testing();

# Approves a payment for a visit.
sub pay
{
	my ($day) = @_;
	return $payouts->sql("SELECT (murallink.approve_payment(p.uid)).uid FROM public.week w, murallink.milestone_payment('$patient', w.uid, visit_date => $day) p");
}

# The payouts that a person is told about.
sub waiting
{
	return $payouts->sql(<<'EOC');
SELECT string_agg(concat_ws(' ', why, amount::numeric(16, 2), remedy), ', ' ORDER BY amount) FROM murallink.needs_person WHERE kind = 'payout'
EOC
}
