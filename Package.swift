// swift-tools-version: 6.2
// The targets stand in the order of one request's way: the door, the words, the unpacking, the rules, the cellar, the
// steward, the program. An arrow (dependency) only points to rooms that know less.

import PackageDescription

let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
    name: "resumabled",
    products: [
        .executable(name: "resumabled", targets: ["resumabled"])
    ],
    dependencies: [
        // The command line: parsing, help texts, completion scripts.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        // The log's interface, so that what is said stays apart from how it is written.
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    ],
    targets: [
        // libfcgi: the FastCGI protocol.
        .systemLibrary(name: "CFastCGI", pkgConfig: "fcgi", providers: [.apt(["libfcgi-dev"])]),
        // xxHash: checksums of chunks and journal records, at memory speed.
        .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
        // OpenSSL's libcrypto: SHA-256, for a client's identifier as a file name nobody can forge, and for chunks'
        // digests.
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // libmagic: what a file is by its first bytes.
        .systemLibrary(name: "CMagic", pkgConfig: "libmagic", providers: [.apt(["libmagic-dev"])]),
        // libcurl: sends events to a site.
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        // cjose, with jansson for the JSON: upload tokens (JWT, JWS, JWK). Measured: no build time, 20 KB in the
        // binary; jwt-kit takes 100 s and 7 MB, and its calls are async.
        .systemLibrary(name: "CJOSE", pkgConfig: "cjose", providers: [.apt(["libcjose-dev", "libjansson-dev"])]),
        // The Linux calls that Swift's Glibc module leaves out (they stand behind _GNU_SOURCE).
        .target(name: "CLinux"),
        // What each room that talks to Linux needs: who closes a descriptor, how an errno reads.
        .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: strict),

        // What JSON we write.
        .target(name: "JSON", swiftSettings: strict),

        // What is counted, and the text that Prometheus reads.
        .target(name: "Metrics", swiftSettings: strict),

        .target(name: "FastCGI", dependencies: ["CFastCGI", "CLinux", "HTTP", "Linux"], swiftSettings: strict),
        .target(name: "HTTP", swiftSettings: strict),
        .target(name: "Multipart", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "UploadModel", swiftSettings: strict),
        .target(name: "Tokens", dependencies: ["CCrypto", "CJOSE", "Linux", "UploadModel"], swiftSettings: strict),
        .target(
            name: "UploadStore",
            dependencies: ["CLinux", "CXXHash", "CCrypto", "Linux", "UploadModel"],
            swiftSettings: strict),
        .target(
            name: "UploadService",
            dependencies: [
                "CCrypto", "CMagic", "HTTP", "Linux", "Multipart", "Tokens", "UploadModel", "UploadStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .target(
            name: "Events",
            dependencies: [
                "CCrypto", "CCurl", "CLinux", "JSON", "Linux", "UploadModel", "UploadStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "resumabled",
            dependencies: [
                "Events", "FastCGI", "HTTP", "JSON", "Linux", "Metrics", "Multipart", "Tokens", "UploadModel",
                "UploadService", "UploadStore",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // Helpers that several test targets and the fuzzers share.
        .target(
            name: "TestSupport", dependencies: ["CCrypto", "Linux"], path: "Tests/TestSupport", swiftSettings: strict),
        // A disk in memory that can fail, or lose power, at every call.
        .target(
            name: "StoreTestSupport", dependencies: ["Linux", "TestSupport", "UploadStore"],
            path: "Tests/StoreTestSupport", swiftSettings: strict),
        // A second, plain multipart parser to compare with.
        .target(
            name: "MultipartTestSupport", dependencies: ["Multipart", "TestSupport"],
            path: "Tests/MultipartTestSupport", swiftSettings: strict),
        // The promises that every store keeps. A test target runs them over its store.
        .target(
            name: "StoreConformance", dependencies: ["Linux", "TestSupport", "UploadModel", "UploadStore"],
            path: "Tests/StoreConformance", swiftSettings: strict),
        .testTarget(
            name: "StoreConformanceTests",
            dependencies: ["Linux", "StoreConformance", "TestSupport", "UploadModel", "UploadStore"],
            swiftSettings: strict),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "FastCGITests", dependencies: ["FastCGI", "HTTP", "Linux", "TestSupport"], swiftSettings: strict),
        .testTarget(name: "MetricsTests", dependencies: ["Metrics"], swiftSettings: strict),
        .testTarget(
            name: "MultipartTests", dependencies: ["Multipart", "MultipartTestSupport", "TestSupport"],
            swiftSettings: strict),
        .testTarget(name: "UploadModelTests", dependencies: ["UploadModel", "TestSupport"], swiftSettings: strict),
        .testTarget(
            name: "TokensTests", dependencies: ["CCrypto", "TestSupport", "Tokens", "UploadModel"],
            swiftSettings: strict),
        .testTarget(
            name: "UploadStoreTests",
            dependencies: ["Linux", "UploadStore", "UploadModel", "StoreTestSupport", "TestSupport"],
            swiftSettings: strict),
        .testTarget(
            name: "EventsTests",
            dependencies: [
                "Events", "UploadModel", "UploadStore", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "UploadServiceTests",
            dependencies: [
                "UploadService", "UploadStore", "UploadModel", "HTTP", "Linux", "TestSupport", "Tokens",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
    ]
)

// The fuzzers. Only `Tests/fuzz` asks for them: what they are linked with brings a main function of its own.
if Context.environment["RESUMABLED_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzz",
            dependencies: [
                "FastCGI", "HTTP", "Linux", "Multipart", "MultipartTestSupport", "StoreTestSupport", "TestSupport",
                "Tokens", "UploadModel", "UploadService", "UploadStore",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/Fuzz", exclude: ["Corpus", "Dictionaries"], swiftSettings: strict))
}
