# A message to many says how to have no more of them, and both ways work: an answer by mail, and one click.

use strict;
use warnings;

use JSON::PP;
use Murallink::Mail;
use Murallink::Stack;
use PostgreSQL::Test::Utils;
use Test::More;

my $mail = Murallink::Mail->new;
$mail->stack->start_postgrest;
my $client = $mail->stack->client;
my $session = $client->api({ action => 'login',
	payload => { email => $mail->stack->{admin_email}, password => $mail->stack->{admin_password} } })->{payload}{session_id};
my ($trial, $site) = split /\|/, $mail->sql('SELECT trial_uid, site_uid FROM public.place');
$mail->people(qw(one two three));

note 'by an answer';
$mail->configure('starttls');
send_all('First');
my %first = headers('one');
is($first{Precedence}, 'bulk', 'it says that it goes to many');
is($first{'List-Unsubscribe'}, '<mailto:trials@example.org?subject=unsubscribe&body=unsubscribe>', 'and to whom to answer');
is($first{'List-Unsubscribe-Post'}, undef, 'one click is offered only where there is a link');
my ($word) = $first{'List-Unsubscribe'} =~ /body=(\w+)/;
is($mail->call(message_received => 'email', 'one@example.com', $word), 1, 'the answer ends the consent');

note 'by one click';
$mail->configure('starttls', reply_to => 'office@example.org', unsubscribe_url => 'https://example.org/unsubscribe/');
is($mail->refusal(configure_partner => $mail->arguments('starttls', unsubscribe_url => $_)), 'invalid_value', "not $_")
  foreach 'http://example.org/', 'https://', "https://example.org/\r\nX: y", 'https://example.org/>,<';
send_all('Second');
my %second = headers('two');
my ($token) = $second{'List-Unsubscribe'} =~ m{<https://example.org/unsubscribe/(\w{27})>, <mailto:office\@example.org\?};
ok($token, 'a link, and an address') or diag($second{'List-Unsubscribe'});
is($second{'List-Unsubscribe-Post'}, 'List-Unsubscribe=One-Click', 'for one click');
my ($other) = { headers('three') }->{'List-Unsubscribe'} =~ /(\w{27})/;
isnt($other, $token, 'each has another link');
is($mail->sql("SELECT count(*) FROM murallink_private.notice WHERE uid = '$token'"), 0, 'which is not the number of the message');
is(scalar(() = $mail->arrived('one@example.com')), 1, 'who has answered gets none');
foreach my $unknown ('', 'x', $mail->patient('two'), $mail->notice('two'))
{
	$client->rpc('unsubscribe', { token => $unknown });
}
is(wanting(), 2, 'nothing else ends a consent');
my $proxy = $mail->stack->start_proxy(slurp_file('docs/operations.md') =~ /^```nginx unsubscribe\n(.*?)^```/ms);
my @click = ("$proxy/unsubscribe/$token", 'List-Unsubscribe=One-Click', { 'Content-Type' => 'application/x-www-form-urlencoded' });
is(($client->request('GET', "$proxy/unsubscribe/$token"))[0], 403, 'nor does who only looks at the link');
is(wanting(), 2, 'as scanners of mail do');
is(($client->request('POST', @click))[0], 204, 'the click does, by the documented proxy, without a session');
is(($client->rpc('unsubscribe', { token => $token }))[0], 204, 'and is no error when it comes again');
is(wanting(), 1, 'of that patient alone');
is($mail->sql(<<"EOC"), 'email f List-Unsubscribe', 'as the history of consent has it, once');
SELECT string_agg(concat_ws(' ', channel, given, source), ',') FROM murallink.consent
WHERE patient_uid = '${\$mail->patient('two')}' AND NOT given
EOC
is_deeply(send_all('Third'), { OK => 1, not_enabled => 2 }, 'who has clicked gets none');
is($client->api({ action => 'unsubscribe', payload => { token => $other } })->{status_code}, 200, 'it is an action, too');
is(wanting(), 0, 'with the same end');

note 'other messages';
$mail->call(register => 'zoe@example.com', 'correct horse', 'Zoe', 'User');
$mail->call(request_password_reset => 'zoe@example.com');
my %reset = headers('zoe');
is($reset{'List-Unsubscribe'}, undef, 'what is sent to one has none');
done_testing();

sub send_all
{
	my ($subject) = @_;
	my $answer = $client->api({ action => 'bulk_email', session_id => $session,
		payload => { trial_uid => $trial, site_uid => $site, subject => $subject, body => 'Text' } })->{payload};
	$mail->wait_for("SELECT NOT EXISTS (SELECT FROM murallink_private.call WHERE open AND resource = 'notice')");
	return $answer;
}

# The headers of the last message to somebody.
sub headers
{
	my ($name) = @_;
	my ($message) = ($mail->arrived("$name\@example.com"))[-1];
	return map { s/\r?\n\s+/ /gr =~ /^([^ :]+):\s*(.*?)\s*$/s ? ($1 => $2) : () } @{ $message->{headers} };
}

sub wanting { return $mail->sql('SELECT count(*) FROM murallink.patient WHERE email_enabled') }
