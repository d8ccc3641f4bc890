# What the worker makes of each ending of a call, and how people decide where it must not.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

my $payouts = Murallink::Payouts->new;
my $uid = qr/^\w{27}$/;

$payouts->patients(3);
$payouts->approve(6);
$payouts->wait_settled;
is($payouts->sql(q{SELECT string_agg(DISTINCT status::text, ' ') FROM murallink.payment}), 'paid', 'cards are ordered and loaded');
is(scalar(grep { $_->{ledger} eq 'order' } @{ $payouts->stack->client->ledger }), 3, 'one card for each patient');
check_books('after the first payouts');

# Each of these faults happens to one load; most of them after it was applied.
my @endings = (
	{ name => 'closed after', fault => { when => 'after', action => 'close' }, state => 'in_doubt', loads => 1 },
	{ name => 'reset after', fault => { when => 'after', action => 'reset' }, state => 'in_doubt', loads => 1 },
	{ name => 'closed before', fault => { when => 'before', action => 'close' }, state => 'in_doubt', loads => 0 },
	{ name => 'truncated', fault => { when => 'after', action => 'truncate' }, state => 'in_doubt', loads => 1 },
	{ name => 'malformed', fault => { when => 'after', action => 'malformed' }, state => 'in_doubt', loads => 1 },
	{ name => 'empty', fault => { when => 'after', action => 'empty' }, state => 'in_doubt', loads => 1 },
	{ name => 'endless', fault => { when => 'after', action => 'endless' }, state => 'in_doubt', loads => 1 },
	{ name => 'not JSON', fault => { when => 'after', action => 'answer', content_type => 'text/html', body => '<p>' },
		state => 'in_doubt', loads => 1 },
	{ name => '200 without a word', fault => { when => 'after', action => 'answer', body => '{}' },
		state => 'in_doubt', loads => 1 },
	{ name => 'both words', fault => { when => 'after', action => 'answer',
		body => '{"status":"success","orderDetails":[{"status":"failure"}]}' }, state => 'in_doubt', loads => 1 },
	{ name => 'another card', fault => { when => 'after', action => 'answer',
		body => '{"status":"success","proxyKey":"0252000000000"}' }, state => 'in_doubt', loads => 1 },
	{ name => '500', fault => { when => 'after', action => 'answer', status => 500 }, state => 'in_doubt', loads => 1 },
	{ name => '503', fault => { when => 'before', action => 'answer', status => 503, retry_after => 1 },
		state => 'in_doubt', loads => 0 },
	{ name => '307', fault => { when => 'before', action => 'answer', status => 307 }, state => 'in_doubt', loads => 0 },
	{ name => '408', fault => { when => 'before', action => 'answer', status => 408 }, state => 'in_doubt', loads => 0 },
	{ name => '409', fault => { when => 'before', action => 'answer', status => 409 }, state => 'in_doubt', loads => 0 },
	{ name => '400', fault => { when => 'before', action => 'answer', status => 400 }, state => 'declined', loads => 0 },
	{ name => '200 with failure', fault => { when => 'before', action => 'answer', status => 200,
		body => '{"status":"failure","message":"no"}' }, state => 'declined', loads => 0 },
	{ name => '429', fault => { when => 'before', action => 'answer', status => 429, retry_after => 1 },
		state => 'done', loads => 1 },
	{ name => '401', fault => { when => 'before', action => 'answer', status => 401 }, state => 'done', loads => 1 },
);
my %payment = (done => 'paid', declined => 'failed', in_doubt => 'in_doubt');
foreach my $ending (@endings)
{
	$payouts->fault(count => 1, %{ $ending->{fault} });
	my ($payout) = $payouts->approve(1);
	$payouts->wait_settled;
	like($payouts->state_of($payout), qr/^$ending->{state} $payment{$ending->{state}}\b/, "$ending->{name}: $ending->{state}");
	is($payouts->loads($payout), $ending->{loads}, "$ending->{name}: loaded as often as it should be");
	$payouts->no_fault;
}
check_books('after all endings');
done_testing();

sub check_books
{
	my ($when) = @_;
	is_deeply([ $payouts->wrong ], [], "the books agree $when");
	return;
}
