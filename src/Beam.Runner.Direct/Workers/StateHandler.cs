using System.Buffers.Binary;
using Beam.Model.FnExecution;
using Beam.Runner.Direct.Engine;
using Google.Protobuf;

namespace Beam.Runner.Direct.Workers;

/// <summary>Answers state requests of a bundle: pages of its side inputs.</summary>
internal static class StateHandler
{
    public static StateResponse Handle(StateRequest request, IReadOnlyDictionary<(string TransformId, string Name), SideInputView> sideInputs)
    {
        try
        {
            if (request.RequestCase != StateRequest.RequestOneofCase.Get) return Error($"State of kind {request.StateKey?.TypeCase} cannot be changed.");
            var page = Read(request.StateKey, Position(request.Get.ContinuationToken), sideInputs);
            var response = new StateGetResponse { Data = UnsafeByteOperations.UnsafeWrap(page.Data) };
            if (page.Next is { } next) response.ContinuationToken = Token(next);
            return new StateResponse { Id = request.Id, Get = response };
        }
        catch (Exception e)
        {
            return Error(e.Message); // a request that cannot be answered is its bundle's failure; the stream serves others
        }

        StateResponse Error(string message) => new() { Id = request.Id, Error = message };
    }

    private static StatePage Read(StateKey? key, int position, IReadOnlyDictionary<(string, string), SideInputView> sideInputs)
    {
        return key?.TypeCase switch
        {
            StateKey.TypeOneofCase.IterableSideInput when key.IterableSideInput is var k =>
                View(k.TransformId, k.SideInputId).Elements(k.Window.Span, position),
            StateKey.TypeOneofCase.MultimapSideInput when key.MultimapSideInput is var k =>
                View(k.TransformId, k.SideInputId).Values(k.Window.Span, k.Key.Span, position),
            StateKey.TypeOneofCase.MultimapKeysSideInput when key.MultimapKeysSideInput is var k =>
                View(k.TransformId, k.SideInputId).Keys(k.Window.Span, position),
            StateKey.TypeOneofCase.MultimapKeysValuesSideInput when key.MultimapKeysValuesSideInput is var k =>
                View(k.TransformId, k.SideInputId).KeysValues(k.Window.Span, position),
            var type => throw new InvalidOperationException($"There is no state of kind {type}."),
        };

        SideInputView View(string transform, string name) => sideInputs.TryGetValue((transform, name), out var view)
            ? view
            : throw new KeyNotFoundException($"Transform '{transform}' has no side input '{name}'.");
    }

    private static int Position(ByteString token) => token.Length switch
    {
        0 => 0,
        4 when BinaryPrimitives.ReadInt32BigEndian(token.Span) is > 0 and var position => position,
        _ => throw new InvalidOperationException("A continuation token is not one of this runner's."),
    };

    private static ByteString Token(int position)
    {
        Span<byte> token = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(token, position);
        return ByteString.CopyFrom(token);
    }
}
