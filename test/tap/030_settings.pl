# Whatever a database sets, patients are paid: each setting that may be set for a database has each of its unusual
# values, payments are made and approved, and the issuer's ledger is the judge. What rightly stops payments does so by
# its name, and they are not made.

use strict;
use warnings;

use Murallink::Payouts;
use Test::More;

use constant { WAIT => 180, DATABASE => Murallink::Stack::DATABASE };

my $payouts = Murallink::Payouts->new;
my $stack = $payouts->stack;
$payouts->patients(1);
$payouts->order_cards;

# Who pays is no superuser, for whom much is not asked.
my $pay = $payouts->sql(<<'EOC');
CREATE ROLE payer LOGIN IN ROLE murallink_client;
UPDATE murallink.app_user SET db_role = 'payer' WHERE user_role = 'admin';
INSERT INTO murallink.milestone (client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, milestone, effective_date, amount,
    currency, num_payments, sort_order, code)
SELECT client_uid, contract_uid, trial_uid, site_uid, trial_site_uid, 'Week 1', '2022-01-01', 2.5, 'USD', 999, 1, 'Week 1' FROM public.place;
SELECT format($$WITH made AS (
    SELECT (murallink.manual_payment('%1$s', '%2$s', 3.07, 'USD', E'\\\\ "''')).uid
    UNION ALL SELECT (murallink.milestone_payment('%1$s', '%3$s', visit_date => '%4$s')).uid
    UNION ALL SELECT (murallink.api(jsonb_build_object('action', 'travel_payment', 'payload', jsonb_build_object(
        'patient_uid', '%1$s', 'trial_uid', '%2$s', 'amount', 4.03, 'currency', 'USD', 'visit_date', '%4$s')))
        -> 'payload' ->> 'uid')::murallink.ksuid
)
SELECT (murallink.approve_payment(uid)).uid FROM made$$, e.patient_uid, e.trial_uid, m.uid, current_date)
FROM murallink.enrollment e, murallink.milestone m
EOC

# What stops payments, and how.
my %stops = (
	'default_transaction_isolation = repeatable read' => 'wrong_isolation',
	'default_transaction_isolation = serializable' => 'wrong_isolation',
	'default_transaction_read_only = on' => 'cannot execute INSERT in a read-only transaction',
	'session_replication_role = replica' => 'triggers_off',
);

# Text has no range; some numbers have one whose end is to wait for ever.
my %values = (
	application_name => ['"; DROP'],
	backtrace_functions => ['errnamed'],
	client_encoding => [ 'LATIN1', 'EUC_JP', 'SQL_ASCII' ],
	datestyle => [ 'SQL, DMY', 'German', 'Postgres, MDY' ],
	default_text_search_config => ['pg_catalog.german'],
	dynamic_library_path => ['/nowhere'],
	lc_messages => ['C.utf8'],
	lc_monetary => ['C.utf8'],
	lc_numeric => ['C.utf8'],
	lc_time => ['C.utf8'],
	'plpgsql.extra_errors' => ['all'],
	'plpgsql.extra_warnings' => ['all'],
	post_auth_delay => [],
	search_path => [ 'nowhere', 'public, pg_catalog', '' ],
	timezone => [ 'Pacific/Kiritimati', 'America/St_Johns' ],
	timezone_abbreviations => ['Australia'],
);
my @all;
foreach (split /\n/, $payouts->sql(<<'EOC'))
LOAD 'plpgsql';
SELECT name, vartype, reset_val, min_val, max_val, array_to_string(enumvals, ';') FROM pg_settings
WHERE context IN ('user', 'superuser', 'backend', 'superuser-backend') AND name !~ '^transaction_' ORDER BY name
EOC
{
	my ($name, $type, $usual, $least, $most, $labels) = split /\|/, $_, -1;
	my @range = $type eq 'bool' ? qw(on off) : $type eq 'enum' ? split(/;/, $labels) : $type eq 'string' ? () : ($least, $most);
	my @unusual = grep { $_ ne $usual && !$stops{"$name = $_"} } @{ $values{ lc $name } // \@range };
	push @all, map { [ $name, $unusual[$_], $_ ] } 0 .. $#unusual;
}
$payouts->sql(<<'EOC');
CREATE FUNCTION public.may(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE 'undone' USING ERRCODE = 'P0000';
EXCEPTION
    WHEN SQLSTATE 'P0000' THEN RETURN true;
    WHEN OTHERS THEN RETURN false;
END
$$;
EOC
my $tried = join ', ', map { "($_, \$set\$" . set($all[$_]) . '$set$)' } 0 .. $#all;
@all = @all[ split /\n/, $payouts->sql("SELECT n FROM (VALUES $tried) s (n, set) WHERE public.may(set) ORDER BY n") ];
my %round;
push @{ $round{ $_->[2] } }, $_ foreach @all;
my %names = map { $_->[0] => 1 } @all;
cmp_ok(scalar keys %names, '>', 170, 'there are many settings');
foreach my $round (sort { $a <=> $b } keys %round)
{
	my @set = @{ $round{$round} };
	is_deeply([ culprits(@set) ], [], 'paid under ' . @set . ' unusual settings');
}

note 'what stops a payment';
foreach my $stop (sort keys %stops)
{
	my $made = $payouts->sql('SELECT count(*) FROM murallink.payment');
	set_all([ split / = /, $stop ]);
	is(as_payer("SELECT public.error_of(\$called\$$pay\$called\$)"), $stops{$stop}, "$stop: by its name");
	reset_all();
	is($payouts->sql('SELECT count(*) FROM murallink.payment'), $made, "$stop: and nothing is made");
}
is_deeply([ $payouts->wrong ], [], 'the books agree');
note 'guesses are counted, whatever the database sets for who counts';
foreach my $setting ('default_transaction_read_only = on', 'default_transaction_isolation = serializable',
	'row_security = off', 'session_replication_role = replica')
{
	my ($name) = split / /, $setting;
	$stack->sql("ALTER DATABASE ${\DATABASE} SET $setting", 'postgres');
	eval { $payouts->sql(<<"EOC") };
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL row_security = on;
SET LOCAL session_replication_role = origin;
SELECT murallink.login('$name\@example.com', 'a guess');
ROLLBACK
EOC
	my $count = "SELECT failures FROM murallink_private.login_attempt WHERE email = '$name\@example.com'";
	is($payouts->sql($count), 1, $setting);
	$stack->sql("ALTER DATABASE ${\DATABASE} RESET $name", 'postgres');
}

done_testing();

# The statement that sets a setting.
sub set
{
	my ($name, $value) = @{ $_[0] };
	my @items = $name eq 'search_path' && $value ? split(/, /, $value) : $value;
	return "ALTER DATABASE ${\DATABASE} SET $name = " . join(', ', map { my $item = $_; $item =~ s/'/''/g; "'$item'" } @items);
}

sub set_all { my (@set) = @_; return $stack->sql(join(';', map { set($_) } @set), 'postgres') }

sub reset_all { return $stack->sql("ALTER DATABASE ${\DATABASE} RESET ALL", 'postgres') }

# Whether payments that are made under these settings are paid, by a worker under them, as the ledger has them.
sub paid
{
	my (@set) = @_;
	$payouts->set('murallink.databases' => '');
	$payouts->wait_for('SELECT pid IS NULL FROM murallink_private.worker_slot(NULL)');
	set_all(@set);
	open my $stderr, '>&', \*STDERR or die "stderr: $!\n";
	open STDERR, '>', "$stack->{dir}/psql.log" or die "stderr: $!\n";
	my $paid = eval {
		$payouts->set('murallink.databases' => DATABASE);
		my @payments = split /\n/, as_payer($pay);
		my $list = join ', ', map { "'$_'" } @payments;
		my $deadline = time + WAIT;
		until ($payouts->sql("SELECT count(*) = 3 FROM murallink.payment WHERE status = 'paid' AND uid IN ($list)") eq 't')
		{
			die "not paid\n" if time > $deadline;
			Time::HiRes::usleep(20_000);
		}
		1;
	};
	my $why = $@ // '';
	open STDERR, '>&', $stderr or die "stderr: $!\n";
	reset_all();
	my @wrong = $payouts->wrong;
	note(join ' ', "@wrong $why", grep { !/DEBUG|LOG|NOTICE|INFO/ } $stack->log_of('psql')) if !$paid || @wrong;
	return $paid && !@wrong;
}

# What somebody who is no superuser is answered.
sub as_payer
{
	my ($statement) = @_;
	local $stack->{user} = 'payer';
	return $stack->sql($statement);
}

# Those of the settings under which nobody is paid.
sub culprits
{
	my (@set) = @_;
	return if !@set || paid(@set);
	return "$set[0][0] = $set[0][1]" if @set == 1;
	my $middle = int(@set / 2);
	return (culprits(@set[ 0 .. $middle - 1 ]), culprits(@set[ $middle .. $#set ]));
}
