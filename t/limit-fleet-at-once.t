# Requests at once over the fleet: places with a lease, which the end of the
# request leaves, and which a killed process keeps no longer than that.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Fleet;

my $backend = Weir::Stack::free_port();

my ($a, $b) = Weir::Fleet::pair(
    http => 'weir_limit_zone $arg_k zone=c:1m count=requests-at-once max=5
                             scope=fleet;
             weir_limit_zone $arg_k zone=one:1m count=requests-at-once max=1
                             scope=fleet;
             weir_limit_zone $arg_k zone=rate:1m rate=1000r/h burst=999
                             scope=fleet;',
    location => 'return 404;',
    server => "location = /c { weir_limit zone=c on_error=deny;
                               proxy_pass http://127.0.0.1:$backend; }
               location = /one { weir_limit zone=one on_error=deny;
                                 proxy_pass http://127.0.0.1:$backend; }
               location = /both { weir_limit zone=one on_error=deny;
                                  weir_limit zone=rate on_error=deny;
                                  proxy_pass http://127.0.0.1:$backend; }
               location = /dry { weir_limit zone=one dry_run;
                                 proxy_pass http://127.0.0.1:$backend; }");


# a backend that answers when a file is there

my $pid = fork // die "fork: $!";

if ($pid == 0) {
    backend();
    POSIX::_exit(0);
}

$a->start('redis', 'nginx');
$b->start('nginx');
Weir::Fleet::ready($_) for $a, $b;

my $go = $a->dir . '/go';


sub backend {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $backend, Listen => 128, ReuseAddr => 1)
        or die "listen: $!";
    my $parent = getppid();
    my @open;

    while (getppid() == $parent) {
        if (IO::Select->new($listen)->can_read(0.02)) {
            push @open, scalar $listen->accept;
        }

        next if !-e $a->dir . '/go';

        for my $socket (splice @open) {
            sysread $socket, my $request, 65536;
            syswrite $socket, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
            close $socket;
        }
    }
}


sub places { Weir::Fleet::places($a, @_) }

sub go   { Weir::Stack::write_file($go, '') }
sub hold { unlink $go }


# five of forty, spread over two nginx

my @c = map { ($a, $b)[$_ % 2]->request('/c?k=x', no_key => 1) } 1 .. 40;

$a->wait_for(10, sub {
    Weir::Client::wait_all(0.02, @c);
    return 35 == grep { $_->whole && $_->status == 429 } @c;
}, 'thirty-five are refused');
is(places('c', 'x'), 5, 'five places are taken');
is(Weir::Fleet::metric($a, 'slots') + Weir::Fleet::metric($b, 'slots'), 5,
   'as the edges say');

# one leaves, one more comes in

my ($one) = grep { !$_->whole } @c;
@c = grep { $_ != $one } @c;
undef $one;
$a->wait_for(5, sub { places('c', 'x') == 4 }, 'a client leaves, and its place');

my $next = $b->request('/c?k=x', no_key => 1);
$a->wait_for(5, sub { places('c', 'x') == 5 }, 'it is taken again');
is($a->ask('/c?k=x', no_key => 1)->status, 429, 'by one only');

go();
ok(Weir::Client::wait_all(10, @c, $next), 'all are answered');
is(scalar(grep { $_->status == 200 } @c, $next), 5, 'five passed');
$a->wait_for(5, sub { places('c', 'x') == 0 }, 'all places are left');
is(Weir::Fleet::metric($_, 'slots'), 0, 'as the edges know') for $a, $b;


# others in the same decision: a refused request takes no place, one that has
# no place is not charged

hold();
my $held = $a->request('/both?k=y', no_key => 1);
$a->wait_for(5, sub { places('one', 'y') == 1 }, 'taken');
is($b->ask('/both?k=y', no_key => 1)->status, 429, 'refused') for 1 .. 3;
cmp_ok(Weir::Fleet::used($a, 'rate', 'y'), '<=', 1, 'not charged');

my $state = sprintf '%d %d', 1000e6, time * 1e6;
$a->redis('SET', Weir::Fleet::name('limit', 'rate', 'z'), $state);
is($b->ask('/both?k=z', no_key => 1)->status, 429, 'the other refuses');
is(places('one', 'z'), 0, 'no place is taken');

# a dry run refuses nobody, and takes a place if there is one

my $dry = $b->request('/dry?k=y', no_key => 1);
my $also = $b->request('/dry?k=w', no_key => 1);
$a->wait_for(5, sub { places('one', 'w') == 1 }, 'a dry run takes its place');
is(Weir::Fleet::metric($a, 'slots') + Weir::Fleet::metric($b, 'slots'), 2,
   'if there is one');

go();
ok(Weir::Client::wait_all(10, $held, $dry, $also), 'all are answered');
is($dry->status, 200, 'a dry run refuses nobody');
$a->wait_for(5, sub { !places('one', 'y') && !places('one', 'w') }, 'left');
hold();


# a lease is renewed for as long as the request goes on

sub lease {
    my ($zone, $key) = @_;

    my $name = Weir::Fleet::name('slots', $zone, $key);

    return $a->redis('ZRANGE', $name, 0, -1, 'WITHSCORES')->[1] // 0;
}

$held = $a->request('/one?k=l', no_key => 1);
$a->wait_for(5, sub { places('one', 'l') == 1 }, 'taken');

my $lease = lease('one', 'l');
cmp_ok($lease, '<=', time * 1000 + 10_100, 'a lease of ten seconds');
$a->wait_for(5, sub { lease('one', 'l') > $lease + 2000 }, 'it is renewed');


# the process is killed: the place is free when the lease is over

$a->kill_child('nginx') for $a->children('nginx');
my $killed = time;
my $left = lease('one', 'l') / 1000 - $killed;

is($b->ask('/one?k=l', no_key => 1)->status, 429, 'its process was killed');
go();
$a->wait_for(12, sub { $b->ask('/one?k=l', no_key => 1)->status == 200 },
             'the place is free again');
my $took = time - $killed;
cmp_ok($took, '<=', $left + 1, 'with the lease');
cmp_ok($took, '>=', $left - 1, 'not earlier');


# Redis is away at the end: the lease ends

hold();
Weir::Fleet::ready($a);
$held = $a->request('/one?k=r', no_key => 1);
$a->wait_for(5, sub { places('one', 'r') == 1 }, 'taken');
$a->signal('redis', 'KILL');
undef $held;
$a->wait_for(5, sub { Weir::Fleet::metric($a, 'slots') == 0 }, 'it ended');
$a->start('redis');
Weir::Fleet::ready($_) for $a, $b;
go();
$a->wait_for(12, sub { $b->ask('/one?k=r', no_key => 1)->status == 200 },
             'Redis was away when the request ended: free again');

$b->end;
$a->end;
kill 'TERM', $pid;
waitpid $pid, 0;

done_testing();
