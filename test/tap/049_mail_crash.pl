# The worker of mail ends as kill -9 would at every edge of what it does: a message is in doubt where it may have been sent, no
# message is sent twice, and none is lost.
#
# The library is built with make CRASH_POINTS=1.

use strict;
use warnings;

use Murallink::Mail;
use Murallink::Stack;
use Test::More;

my $mail = Murallink::Mail->new(conf => "fsync = off\nrestart_after_crash = off\ninclude_if_exists = 'crash.conf'\n");
$mail->configure('starttls');

# Where it ends, how the message stands afterwards, and how often it was taken at least.
foreach my $case (
	[ claimed => 'done 1', 1 ],
	[ claim_committed => 'in_doubt 1', 0 ],
	[ call_begun => 'in_doubt 1', 0 ],
	[ call_sent => 'in_doubt 1', 1 ],
	[ call_answered => 'in_doubt 1', 1 ],
	[ settling => 'in_doubt 1', 1 ],
	[ settled => 'in_doubt 1', 1 ],
	[ settle_committed => 'done 1', 1 ],
	)
{
	my ($point, $status, $least) = @$case;
	my $name = 'to.' . $point =~ s/_/./r;
	$mail->people($name);
	$mail->end_at($point => sub { $mail->bulk_again('Crash', 'Text', $name) });
	$mail->start_server;
	$mail->wait_status($name => $status);
	after($point);
	my $taken = taken($name);
	ok($taken >= $least && $taken <= 1, "$point: $status");
}

note 'and while it recovers from such an end';
foreach my $point (qw(recovering recovered recovery_committed))
{
	my $name = "to.$point" =~ s/_/./r;
	$mail->people($name);
	$mail->end_at(claim_committed => sub { $mail->bulk_again('Crash', 'Text', $name) });
	open my $file, '>', $mail->dir . '/data/crash.conf' or die "crash.conf: $!\n";
	print $file "murallink.crash_point = 'mail.$point:1'\n";
	close $file;
	$mail->quietly(sub { eval { $mail->start_server }; $mail->wait_ended });
	unlink $mail->dir . '/data/crash.conf';
	$mail->start_server;
	$mail->wait_status($name => 'in_doubt 1');
	after($point);
	is(taken($name), 0, "$point: in doubt, and not sent again");
}
is($mail->doubts, '9 message', 'each is in doubt once');
done_testing();

# Waits until a later message was taken: whatever would be sent again has been sent by then, too.
sub after
{
	my ($point) = @_;
	my $name = "after.$point" =~ s/_/./r;
	$mail->bulk('After', 'Text', $name);
	return $mail->arrived("$name\@example.com");
}

sub taken { my ($name) = @_; return scalar $mail->mailbox(to => "$name\@example.com", event => 'taken') }
