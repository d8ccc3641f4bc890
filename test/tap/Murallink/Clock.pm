package Murallink::Clock;

# The clock of a server that is started after this is made, and of what it starts: it can be set. What measures time by
# a clock that only goes forward goes on as before.
#
#   my $clock = Murallink::Clock->new;
#   my $payouts = Murallink::Payouts->new;
#   $clock->step(3600);                               # an hour forward

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Murallink::Stack;

sub new
{
	my ($class) = @_;
	my $dir = tempdir(CLEANUP => 1);
	my $self = bless { file => "$dir/moved", library => "$dir/clock.so", moved => 0 }, $class;
	Murallink::Stack::run('cc', qw(-shared -fPIC -O2 -o), $self->{library}, dirname(__FILE__) . '/../clock.c', '-ldl');
	chmod 0755, $dir or die "$dir: $!\n";
	$self->step(0);
	return $self;
}

# Runs something whose programs have this clock: see Murallink::Stack::start_server.
sub within
{
	my ($self, $something) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{MURALLINK_CLOCK} = $self->{file};
	return $something->();
}

# Sets the clock forward, or back, by so many seconds.
sub step
{
	my ($self, $seconds) = @_;
	$self->{moved} += $seconds;
	# In place, because the processes have mapped the file.
	open my $file, '+>>', $self->{file} or die "$self->{file}: $!\n";
	close $file or die "$self->{file}: $!\n";
	open $file, '+<', $self->{file} or die "$self->{file}: $!\n";
	syswrite($file, pack 'q', $self->{moved} * 1_000_000) == 8 or die "$self->{file}: $!\n";
	close $file or die "$self->{file}: $!\n";
	return;
}

1;
