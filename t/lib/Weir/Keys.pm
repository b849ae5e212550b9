package Weir::Keys;

# API keys by the thousand, made here and not by the tool:
#
#     my $keys = Weir::Keys->new(pepper => "$d/pepper");
#     my ($key, $line) = $keys->make('owner', 'tier=gold');
#
# line is the record of a key file.  with_id() makes another key of the same
# public id.

use strict;
use warnings;

use Compress::Raw::Zlib ();
use Digest::SHA qw(hmac_sha256_hex);

my @base62 = ('0' .. '9', 'A' .. 'Z', 'a' .. 'z');


sub new {
    my ($class, %o) = @_;

    open my $f, '<', $o{pepper} or die "$o{pepper}: $!";
    my $pepper = <$f>;
    $pepper =~ s/\s+\z//;

    return bless { pepper => $pepper }, $class;
}


sub draw { join '', map { $base62[rand 62] } 1 .. $_[0] }


sub checksum {
    my ($crc, $text) = (Compress::Raw::Zlib::crc32($_[0]), '');

    for (1 .. 6) {
        $text = $base62[$crc % 62] . $text;
        $crc = int $crc / 62;
    }

    return $text;
}


sub with_id {
    my ($self, $id) = @_;

    my $start = "weir_live_${id}_" . draw(43);

    return "${start}_" . checksum($start);
}


sub make {
    my ($self, $owner, @more) = @_;

    my $id = draw(12);
    my $key = $self->with_id($id);
    my $digest = hmac_sha256_hex($key, $self->{pepper});

    return ($key, join(':', 'v1:hmac-sha256', $id, $digest, "owner=$owner",
                       @more) . "\n");
}


1;
