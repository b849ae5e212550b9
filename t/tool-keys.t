# weir keys: every command, on a key file and on the store in Redis alike.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(hmac_sha256_hex);
use Test::More;
use Weir::Stack;
use Weir::Tool;

my $stack = Weir::Stack->new;
$stack->start('redis');

my $d = "$ENV{TEST_NGINX_DIR}/tool-keys-store-$$";
mkdir $d or die "$d: $!";

my $t = Weir::Tool->new;
my ($kind, @where, $pepper);


sub slurp { Weir::Stack::slurp($_[0]) }
sub run { $t->run($_[0], $_[1], @where, @_[2 .. $#_]) }
sub json { $t->json($_[0], $_[1], @where, @_[2 .. $#_]) }
sub show { json(qw(keys show), $_[0]) }


sub refused {
    my ($args, @rest) = @_;

    $t->refused([@$args[0, 1], @where, @$args[2 .. $#$args]], @rest);
}


# the line of a public id, as it is kept

sub line {
    my ($id) = @_;

    return $stack->redis('GET', "weir:{keys}:key:$id") if $kind eq 'redis';

    return (grep { /^v1:hmac-sha256:$id:/ } split /\n/, slurp("$d/keys"))[0];
}


sub set_line {
    my ($id, $line) = @_;

    if ($kind eq 'redis') {
        $stack->redis('SET', "weir:{keys}:key:$id", $line);
        return;
    }

    my $text = slurp("$d/keys");
    $text =~ s/^v1:hmac-sha256:$id:.*$/$line/m or die "$id: no line";
    Weir::Stack::write_file("$d/keys", $text);
}


# which of the digests of a record is that of the key?

sub digest_is {
    my ($id, $key) = @_;

    my $want = hmac_sha256_hex($key, slurp("$d/pepper") =~ s/\s+\z//r);
    my ($first) = line($id) =~ /^v1:hmac-sha256:$id:(\w{64}):/;
    my ($second) = line($id) =~ /:digest2=(\w{64})/;

    return $first eq $want ? 'first'
           : defined $second && $second eq $want ? 'second' : 'none';
}


sub create {
    my (@more) = @_;

    my ($status, $out, $err) = run(qw(keys create), @$pepper, qw(--owner alice),
                                   @more);
    is($status, 0, "create @more") or diag($err);
    my ($key) = $out =~ /\A(weir_\w+)$/m;

    return ($key =~ /^weir_[a-z0-9]+_(\w{12})_/, $key, $out);
}


sub test_create {
    my ($status, $out, $err) = run(qw(keys create), @$pepper, qw(--owner a));
    is($status, 0, 'the first key');
    like($out, qr/\Aweir_live_\w{12}_\w{43}_\w{6}\n\z/, 'alone on a line');
    like($err, qr/\Acreated key \w{12} of a in /, 'and its id');
    is((stat "$d/pepper")[2] & 0777, 0400, 'mode of the pepper');

    my ($id, $key) = create('--scopes', 'read,metrics', qw(--tier gold --env test),
                            '--models', 'gpt-*,org/m:7b,a%b',
                            '--limits', 'per-key=10r/m+5,day=unlimited',
                            qw(--expires 30d));
    is(digest_is($id, $key), 'first', 'its digest');

    my $doc = show($id);
    cmp_ok(abs($doc->{expires} - time - 30 * 86400), '<', 60, 'its end');
    delete $doc->{expires};
    is_deeply($doc, {
        id => $id, owner => 'alice', tier => 'gold', env => 'test',
        scopes => ['read', 'metrics'], models => ['gpt-*', 'org/m:7b', 'a%b'],
        limits => 'per-key=10r/m+5,day=unlimited', state => 'active',
        until => undef, revoked => undef, webhook => undef,
    }, 'keys show --json');

    ($status, $out) = run(qw(keys show), $id);
    is($status, 0, 'keys show');
    like($out, qr/\A${\ join '\n',
        "id +$id", 'state +active', 'owner +alice', 'tier +gold', 'env +test',
        'scopes +read,metrics', 'models +gpt-\*,org\/m:7b,a%b',
        'limits +per-key=10r\/m\+5,day=unlimited',
        'expires +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ' }\n\z/, 'one member a line');

    # JSON: key and secret in one document

    $doc = json(qw(keys create), @$pepper, qw(--owner bob --webhook),
                'https://example.com:8443/h%3A?a=b:c');
    is(digest_is($doc->{id}, $doc->{key}), 'first', '--json has the key');
    like($doc->{webhook_secret}, qr/^whsec_/, 'and the secret that was drawn');
    is($doc->{webhook}, 'https://example.com:8443/h%3A?a=b:c', 'and the URL');
    is(show($doc->{id})->{webhook}, 'https://example.com:8443/h%3A?a=b:c',
       'as show says');

    my ($drawn) = line($doc->{id}) =~ /:webhook_secret=([^:]+)/;
    is($drawn, $doc->{webhook_secret}, 'which is in the record');

    # nothing of it is shown again

    my $digest = hmac_sha256_hex($key, slurp("$d/pepper") =~ s/\s+\z//r);

    for (['list'], ['list', '--json'], ['show', $id], ['show', $id, '--json'],
         ['show', $doc->{id}], ['show', $doc->{id}, '--json'])
    {
        ($status, $out, $err) = run('keys', @$_);
        is($status, 0, "keys @$_");
        unlike($out . $err, qr/$digest|whsec_|weir_(live|test)_/,
               'no digest, no secret');
    }
}


sub test_bad_input {
    my $before = json(qw(keys list));

    my @bad = (
        [['--tier', 'x y'], qr/"--tier"/],
        [['--tier', 't' x 33], qr/"--tier"/],
        [['--scopes', 'fly'], qr/"--scopes"/],
        [['--scopes', ''], qr/"--scopes"/],
        [['--models', ''], qr/"--models"/],
        [['--models', 'a,,b'], qr/"--models"/],
        [['--models', 'a b'], qr/"--models"/],
        [['--models', '*a'], qr/"--models"/],
        [['--limits', 'x'], qr/"--limits"/],
        [['--limits', 'z=1:2'], qr/"--limits"/],
        [['--limits', 'z=fast'], qr/"--limits"/],
        [['--limits', 'z=1,z=2'], qr/"--limits"/],
        [['--expires', '0'], qr/"--expires"/],
        [['--expires', '5y'], qr/"--expires"/],
        [['--expires', '1'], qr/"--expires" must lie in the future/],
        [['--expires', '-1d'], qr/"--expires"/],
        [['--expires', '99999999999d'], qr/"--expires"/],
        [['--webhook', 'nonsense'], qr/the URL of "--webhook"/],
        [['--webhook-secret', 'x'], qr/"--webhook-secret"/],
        [['--webhook', 'https://h/', '--webhook-secret', 'none'],
         qr/a webhook needs a secret/],
    );

    my ($id) = create();
    my $line = line($id);

    for (@bad) {
        my ($args, $why) = @$_;
        refused([qw(keys create), @$pepper, qw(--owner a), @$args], 2, $why,
                "create @$args");
        refused([qw(keys update), $id, @$args], 2, $why, "update @$args");
    }

    refused([qw(keys create), @$pepper, '--owner', 'a b'], 2, qr/"--owner"/);
    refused([qw(keys create), @$pepper], 2, qr/"--owner" is required/);
    refused([qw(keys create --owner a)], 2, qr/"--pepper" is required/);
    refused([qw(keys create), @$pepper, qw(--owner a --env LIVE)], 2,
            qr/"--env"/);
    refused([qw(keys update), $id], 2, qr/nothing is to be changed/);
    refused([qw(keys update), $id, qw(--owner bob)], 2, qr/its owner's/);
    refused([qw(keys rotate), $id], 2, qr/"--pepper" is required/);
    refused([qw(keys rotate), $id, @$pepper, '--overlap', $_], 2,
            qr/"--overlap"/, "overlap $_") for qw(x -1 1 1y 99999999999999s);
    refused([qw(keys rotate), $id, @$pepper, qw(--end third)], 2, qr/"--end"/);
    refused([qw(keys rotate), $id, @$pepper, qw(--env LIVE)], 2, qr/"--env"/);
    refused([qw(keys list --state sleeping)], 2, qr/"--state"/);
    refused([qw(keys list --owner), 'a b'], 2, qr/"--owner"/);

    for (['show'], ['update', '--tier', 't'], ['rotate', @$pepper], ['revoke'])
    {
        my ($command, @args) = @$_;
        refused(['keys', $command, 'AAAAAAAAAAAA', @args], 1,
                qr/no key with the public id "AAAAAAAAAAAA"/,
                "$command: no such key");
        refused(['keys', $command, $_, @args], 1, qr/not the public id/,
                "$command: \"$_\"") for 'AAAA', '', 'AAAAAAAAAAA*', 'A' x 13;
        refused(['keys', $command, @args], 2, qr/argument is missing/,
                "$command: no id");
        refused(['keys', $command, $id, $id, @args], 2, qr/too many/,
                "$command: two ids");
    }

    refused([qw(keys rotate), $id, '--pepper', "$d/none"], 1, qr/pepper|none/,
            'rotate: no pepper');
    ok(!-e "$d/none", 'and none is made');
    refused([qw(keys create --owner a --pepper), "$d/none"], 1, qr/none/,
            'create: a lost pepper is not made anew');

    is(line($id), $line, 'the record is as it was');
    is(@{ json(qw(keys list)) }, @$before + 1, 'and no other was made');
}


sub test_update {
    my ($id) = create();
    my $digest = (split /:/, line($id))[3];

    my @rows = (
        [[qw(--tier gold)], tier => 'gold'],
        [['--scopes', 'cache-bypass,admin'], scopes => ['admin', 'cache-bypass']],
        [['--models', 'a:b,c*'], models => ['a:b', 'c*']],
        [[qw(--models *)], models => undef],
        [[qw(--limits z=5)], limits => 'z=5'],
        [[qw(--limits none)], limits => undef],
        [[qw(--expires 4102444800)], expires => 4102444800],
        [[qw(--expires none)], expires => undef],
        [['--webhook', 'https://h.example/a'], webhook => 'https://h.example/a'],
        [[qw(--webhook none)], webhook => undef],
    );

    my $want = show($id);

    for (@rows) {
        my ($args, $name, $value) = @$_;
        my ($status, $out, $err) = run(qw(keys update), $id, @$args);
        is($status, 0, "update @$args") or diag($err);
        like($err, qr/\Aupdated key $id of alice\n\z/, 'is said');
        $want->{$name} = $value;
        is_deeply(show($id), $want, "$name has changed, and nothing else");

        my $line = line($id);
        next if $name eq 'webhook';
        like((run(qw(keys update), $id, @$args))[2], qr/ is as it was$/,
             'again');
        is(line($id), $line, 'which changes nothing');
    }

    # the secret of webhooks: drawn once, kept, taken away

    my ($secret) = line($id) =~ /:webhook_secret=([^:]+)/;
    like($secret, qr/^whsec_/, 'a secret was drawn');
    run(qw(keys update), $id, '--webhook', 'https://h.example/b');
    is((line($id) =~ /:webhook_secret=([^:]+)/)[0], $secret, 'and is kept');
    refused([qw(keys update), $id, qw(--webhook-secret none)], 2,
            qr/needs a secret/, 'an URL needs it');
    is((run(qw(keys update), $id, qw(--webhook none --webhook-secret none)))[0],
       0, 'both are taken away');
    unlike(line($id), qr/webhook/, 'and gone');

    is((split /:/, line($id))[3], $digest, 'the digest is the same');

    # several at once, and what a later version knows stays

    set_line($id, line($id) . ':later=1');
    is((run(qw(keys update), $id, qw(--tier t2 --limits z=7 --expires 1d)))[0],
       0, 'three at once');
    like(line($id), qr/:tier=t2:.*:limits=z=7:expires=\d+:later=1$/,
         'and unknown fields are kept');

    # more than a record holds

    my $many = join ',', map { "model-$_" } 1 .. 900;
    refused([qw(keys update), $id, '--models', $many], 1,
            qr/key $id: a record must /, 'a record that is too long');
    is((run(qw(keys revoke), $id))[0], 0, 'it can still be revoked');
}


sub test_rotate {
    my ($id, $key) = create(qw(--env test));

    my ($status, $out, $err) = run(qw(keys rotate), $id, @$pepper);
    is($status, 0, 'rotate') or diag($err);
    like($out, qr/\Aweir_test_${id}_\w{43}_\w{6}\n\z/, 'the same public id');
    like($err, qr/has a new secret, .* the old one ends at \d{4}-.*Z$/, 'said');
    chomp(my $second = $out);
    isnt($second, $key, 'another secret');
    is(digest_is($id, $key), 'first', 'the old secret is the first');
    is(digest_is($id, $second), 'second', 'the new one the second');

    my $doc = show($id);
    is($doc->{state}, 'rotating', 'state');
    cmp_ok(abs($doc->{until} - time - 86400), '<', 60, 'for a day');

    refused([qw(keys rotate), $id, @$pepper], 1,
            qr/two secrets already, the first up to \d{4}-/, 'not at once again');
    is(digest_is($id, $second), 'second', 'nothing has changed');

    # one of them may end

    $doc = json(qw(keys rotate), $id, @$pepper, qw(--end second --overlap 2h));
    my $third = $doc->{key};
    is($doc->{state}, 'rotating', '--json');
    is_deeply([map { digest_is($id, $_) } $key, $second, $third],
              ['first', 'none', 'second'], '--end second');
    cmp_ok(abs(show($id)->{until} - time - 7200), '<', 60, '--overlap');

    my $fourth = json(qw(keys rotate), $id, @$pepper, qw(--end first))->{key};
    is_deeply([map { digest_is($id, $_) } $key, $third, $fourth],
              ['none', 'first', 'second'], '--end first');

    # over: the second is the first of the next one

    set_line($id, line($id) =~ s/:until=\d+/':until=' . (time - 1)/er);
    is(show($id)->{state}, 'active', 'the rotation is over');
    my $fifth = json(qw(keys rotate), $id, @$pepper)->{key};
    is_deeply([map { digest_is($id, $_) } $third, $fourth, $fifth],
              ['none', 'first', 'second'], 'and the next begins');

    set_line($id, line($id) =~ s/:until=\d+/':until=' . (time - 1)/er);
    my $sixth = json(qw(keys rotate), $id, @$pepper, qw(--end second))->{key};
    is_deeply([map { digest_is($id, $_) } $fourth, $fifth, $sixth],
              ['none', 'first', 'second'],
              '--end second cannot bring back one that has ended');

    # no overlap: all the others end

    my $last = json(qw(keys rotate), $id, @$pepper, qw(--overlap 0))->{key};
    is_deeply([map { digest_is($id, $_) } $fifth, $sixth, $last],
              ['none', 'none', 'first'], '--overlap 0');
    unlike(line($id), qr/digest2|until/, 'no second secret');
    is(show($id)->{state}, 'active', 'active');

    like(json(qw(keys rotate), $id, @$pepper, qw(--env prod))->{key},
         qr/^weir_prod_/, '--env');

    # what is over gets no secret

    set_line($id, line($id) . ':expires=1000');
    refused([qw(keys rotate), $id, @$pepper], 1, qr/has expired/, 'expired');
    is((run(qw(keys revoke), $id))[0], 0, 'revoke');
    refused([qw(keys rotate), $id, @$pepper], 1, qr/was revoked/, 'revoked');
}


sub test_revoke {
    my ($id) = create();

    my ($status, $out, $err) = run(qw(keys revoke), $id);
    is($status, 0, 'revoke');
    is($out, '', 'nothing for a program');
    like($err, qr/\Arevoked key $id of alice\n\z/, 'said');
    my $line = line($id);
    my $doc = show($id);
    is($doc->{state}, 'revoked', 'state');
    cmp_ok(abs($doc->{revoked} - time), '<', 60, 'when');

    like((run(qw(keys revoke), $id))[2], qr/was revoked before$/, 'again');
    is(line($id), $line, 'which changes nothing');
}


sub test_list {
    my %id;

    for my $state (qw(active rotating expired revoked)) {
        my $doc = json(qw(keys create), @$pepper, qw(--owner lister));
        $id{$state} = $doc->{id};
    }

    run(qw(keys rotate), $id{rotating}, @$pepper);
    run(qw(keys revoke), $id{revoked});
    set_line($id{expired}, line($id{expired}) . ':expires=1000');

    for my $state (sort keys %id) {
        my $list = json(qw(keys list --owner lister --state), $state);
        is_deeply([map { $_->{id} } @$list], [$id{$state}], "list: $state");
        is_deeply($list->[0], show($id{$state}), 'the same as show says');
    }

    is_deeply([sort map { $_->{id} } @{ json(qw(keys list --owner lister)) }],
              [sort values %id], 'list --owner');
    is_deeply(json(qw(keys list --owner nobody)), [], 'of nobody');

    my ($status, $out) = run(qw(keys list --owner lister));
    is($status, 0, 'list');
    is(scalar(() = $out =~ /\n/g), 4, 'one line a key');
    like($out, qr/^$id{revoked}  revoked   lister            default   submit,read,cancel  revoked \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m,
         'the columns');
}


for (['file', ['--file', "$d/keys"]],
     ['redis', ['--redis', 'unix:' . $stack->dir . '/redis.sock']])
{
    ($kind, my $options) = @$_;
    @where = @$options;
    $pepper = ['--pepper', "$d/pepper"];
    unlink "$d/pepper";

    subtest "$kind: create"    => \&test_create;
    subtest "$kind: bad input" => \&test_bad_input;
    subtest "$kind: update"    => \&test_update;
    subtest "$kind: rotate"    => \&test_rotate;
    subtest "$kind: revoke"    => \&test_revoke;
    subtest "$kind: list"      => \&test_list;
}

$stack->stop;

done_testing();
